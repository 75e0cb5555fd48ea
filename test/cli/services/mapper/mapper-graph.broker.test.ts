/** The whole mapper between two mosquittos, the key in a fake token: what arrives, what is kept, what is said. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Logger, type Scope } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { connectWith } from "../../../../src/actors/mqtt/broker-connection.ts"
import type { MapperPlan } from "../../../../src/cli/services/mapper/mapper-plan.ts"
import { fakeToken } from "../../../../src/testing/fake-token.ts"
import { startBroker, type TestBroker } from "../../../support/broker/broker.ts"
import { joinBroker, type MqttPeer } from "../../../support/broker/mqtt-peer.ts"
import { impatient, planFrom, startTestMapper } from "../../../support/device/mapper.ts"
import { quietly } from "../../../support/quietly.ts"
import { makeDeviceCertificate, type TestPki, testPki } from "../../../support/tls/pki.ts"

let dir: string
let pki: TestPki
let local: TestBroker
let cloud: TestBroker
let peers: Array<MqttPeer>

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "tedge-mapper-"))
  pki = testPki()
  const tls = { certFile: pki.serverCertFile, keyFile: pki.serverKeyFile, caFile: pki.caFile }
  local = await startBroker({ persistence: true })
  cloud = await startBroker({ persistence: true, requireCertificate: true, tls })
  peers = []
})
afterEach(async () => {
  await Promise.all(peers.map((peer) => peer.close()))
  await Promise.all([local.stop(), cloud.stop()])
  pki.remove()
  rmSync(dir, { recursive: true, force: true })
})

const atLocal = async (...filters: ReadonlyArray<string>) => {
  const peer = await joinBroker(local.port, filters)
  peers.push(peer)
  return peer
}

/** Another client of the cloud's broker, with a certificate of its own. */
const atCloud = async (...filters: ReadonlyArray<string>) => {
  const identity = makeDeviceCertificate(pki.ca, { cn: `cloud-${Math.random()}` })
  const peer = await joinBroker(cloud.port, filters, { ...identity, caFile: pki.caFile })
  peers.push(peer)
  return peer
}

/** It misses nothing, also while the broker is away. */
const observeCloud = async (...filters: ReadonlyArray<string>) => {
  const identity = makeDeviceCertificate(pki.ca, { cn: "observer" })
  const peer = await joinBroker(cloud.port, filters, { ...identity, caFile: pki.caFile }, "observer")
  peers.push(peer)
  return peer
}

const healthTopic = "te/device/main/service/tedge-mapper-bridge-c8y/status/health"

const isHealth = (status: "up" | "down") => (message: { topic: string; payload: string }) =>
  message.topic === healthTopic && message.payload === `{"status":"${status}"}`

const run = <A>(effect: Effect.Effect<A, unknown, Scope.Scope>): Promise<A> =>
  Effect.runPromise(quietly(Effect.scoped(effect)))

const plan = (more = "") =>
  planFrom(
    dir,
    `[device]
cert_path = "${join(dir, "device.pem")}"
key_uri = "pkcs11:object=device"
[device.cryptoki]
mode = "module"
module_path = "/none"
[mqtt.client]
port = ${local.port}
[c8y]
url = "localhost"
mqtt = "localhost:${cloud.port}"
root_cert_path = "${pki.caFile}"
${more}`
  )

/** Starts the mapper of a device whose key is in a token. */
const mapper = (options: { readonly more?: string; readonly plugged?: boolean } = {}) =>
  Effect.gen(function* () {
    let certificate = ""
    const started = (planned: MapperPlan) =>
      startTestMapper({
        plan: impatient(planned),
        connect: connectWith,
        token: (onEvent) => {
          const token = fakeToken({ defaultPin: "123456", plugged: options.plugged ?? true, onEvent })
          certificate = pki.issueFor(token.addKey("device", "01"), "dev01")
          writeFileSync(join(dir, "device.pem"), certificate)
          return token
        }
      })
    writeFileSync(join(dir, "device.pem"), pki.issueFor(fakeToken().addKey("x", "01"), "dev01"))
    return yield* started(yield* plan(options.more))
  })

const promise = Effect.promise

/** What waits is counted until its acknowledgement has come, which is later than others hear the message. */
const settledCounters = (bridge: Effect.Success<ReturnType<typeof mapper>>["bridge"]) =>
  Effect.repeat(
    Effect.map(bridge.ask("Status", undefined, { within: "30 seconds" }), ({ counters }) => counters),
    { until: ({ outbound, inbound, waiting }) => outbound + inbound > 0 && waiting === 0 }
  )

describe("a mapper", () => {
  it("forwards messages in both directions, with one signature of the token", () =>
    run(
      Effect.gen(function* () {
        const there = yield* promise(() => atCloud("s/us", "measurement/#"))
        const here = yield* promise(() => atLocal("c8y/s/ds", healthTopic))
        const { token } = yield* mapper()
        yield* promise(() => here.hear(isHealth("up")))
        yield* promise(() => here.publish("c8y/s/us", "200,c8y_Temperature,T,25"))
        yield* promise(() => there.hear(({ payload }) => payload === "200,c8y_Temperature,T,25"))
        yield* promise(() => there.publish("s/ds", "510,dev01"))
        yield* promise(() => here.hear(({ topic, payload }) => topic === "c8y/s/ds" && payload === "510,dev01"))
        expect(token.signatures()).toBe(1)
      })
    ))

  it("acknowledges nothing to the local broker before the cloud has it, over the cloud's death and return", () =>
    run(
      Effect.gen(function* () {
        const here = yield* promise(() => atLocal(healthTopic))
        yield* mapper()
        yield* promise(() => here.hear(isHealth("up")))
        yield* promise(() => cloud.kill())
        yield* promise(() => here.hear(isHealth("down")))
        const payloads = Array.from({ length: 30 }, (_, n) => `200,${n}`)
        for (const payload of payloads) yield* promise(() => here.publish("c8y/s/us", payload))
        yield* promise(() => local.waitForLog(/^Sending PUBLISH to tedge-mapper-bridge-c8y .*c8y\/s\/us/, 20))
        const acknowledged = () =>
          local.log().filter((line) => /^Received PUBACK from tedge-mapper-bridge-c8y/.test(line))
        expect(acknowledged()).toEqual([])
        yield* promise(() => cloud.restart())
        yield* promise(() => local.waitForLog(/^Received PUBACK from tedge-mapper-bridge-c8y/, 30))
        const arrived = cloud
          .log()
          .filter((line) => /^Received PUBLISH from dev01 .*'s\/us'.*\((5|6) bytes\)/.test(line))
        expect(arrived.length).toBeGreaterThanOrEqual(30)
      })
    ))

  it("loses no message while either broker goes away and comes back", () =>
    run(
      Effect.gen(function* () {
        const here = yield* promise(() => atLocal(healthTopic))
        const observer = yield* promise(() => observeCloud("s/us"))
        yield* mapper()
        yield* promise(() => here.hear(isHealth("up")))
        const change: Readonly<Record<number, () => Promise<void>>> = {
          20: cloud.halt,
          30: local.restart,
          40: cloud.restart,
          50: local.restart
        }
        const payloads = Array.from({ length: 60 }, (_, n) => `200,${n}`)
        for (const [n, payload] of payloads.entries()) {
          yield* promise(async () => change[n]?.())
          yield* promise(() => here.publish("c8y/s/us", payload))
        }
        for (const payload of payloads) yield* promise(() => observer.hear((message) => message.payload === payload))
      })
    ))

  it("does not let a missing token stop the local side, and connects when it is plugged in", () =>
    run(
      Effect.gen(function* () {
        const here = yield* promise(() => atLocal("te/#"))
        const { token, cloud: cloudLink } = yield* mapper({ plugged: false })
        yield* promise(() => here.hear(({ topic }) => topic.endsWith("tedge-mapper-c8y/status/health")))
        yield* promise(() => here.hear(isHealth("down")))
        yield* promise(() =>
          here.hear(({ topic, payload }) => topic.endsWith("/status/reason") && payload.startsWith("cloud: "))
        )
        expect(cloud.log().filter((line) => /New connection/.test(line))).toEqual([])
        token.plug()
        yield* promise(() => here.hear(isHealth("up")))
        expect(yield* cloudLink.ask("Status", undefined, { within: "30 seconds" })).toMatchObject({ _tag: "Up" })
        yield* promise(() => here.hear(({ topic, payload }) => topic.endsWith("/status/reason") && payload === ""))
      })
    ))

  it("drops what the cloud would hang up on, and says so in its counters", () =>
    run(
      Effect.gen(function* () {
        const there = yield* promise(() => atCloud("s/us"))
        const here = yield* promise(() => atLocal(healthTopic))
        const { bridge } = yield* mapper({ more: "[c8y.mapper.mqtt]\nmax_payload_size = 10\n" })
        yield* promise(() => here.hear(isHealth("up")))
        yield* promise(() => here.publish("c8y/s/us", "01234567890"))
        yield* promise(() => here.publish("c8y/s/us", "0123456789"))
        yield* promise(() => there.hear(({ payload }) => payload === "0123456789"))
        expect(there.heard.map(({ payload }) => payload)).not.toContain("01234567890")
        yield* promise(() => local.waitForLog(/^Received PUBACK from tedge-mapper-bridge-c8y/, 2))
        const counters = yield* settledCounters(bridge)
        expect(counters).toEqual({ outbound: 1, inbound: 0, dropped: 1, waiting: 0 })
      })
    ))

  it("drops what the local broker would hang up on, names its topic, and stays connected", () => {
    const said: Array<unknown> = []
    return Effect.gen(function* () {
      yield* promise(() => local.stop())
      local = yield* promise(() => startBroker({ lines: ["max_packet_size 2000"] }))
      const here = yield* promise(() => atLocal(healthTopic, "c8y/#"))
      const { bridge } = yield* mapper()
      yield* promise(() => here.hear(isHealth("up")))
      const there = yield* promise(() => atCloud())
      yield* promise(() => there.publish("s/ds", "5".repeat(3_000)))
      yield* promise(() => there.publish("s/ds", "510,dev01"))
      yield* promise(() => here.hear(({ payload }) => payload === "510,dev01"))
      expect(yield* settledCounters(bridge)).toMatchObject({ inbound: 1, dropped: 1, waiting: 0 })
      yield* promise(() =>
        expect
          .poll(() => said.flat())
          .toContain(
            "Dropping local-bound message on topic c8y/s/ds: the broker refused it (packet too large: max_packet_size of the broker)"
          )
      )
      expect(local.log().filter((line) => line.includes("oversize"))).toEqual([])
    }).pipe(
      Effect.provide(Logger.layer([Logger.make(({ message }) => void said.push(message))])),
      Effect.scoped,
      Effect.runPromise
    )
  })
})

describe("what a mapper says of itself", () => {
  const service = "te/device/main/service/tedge-mapper-c8y"

  it("is registered, up, and answers checks of itself and of the whole device", () =>
    run(
      Effect.gen(function* () {
        yield* mapper()
        const early = yield* promise(() => atLocal("te/#"))
        yield* promise(() => early.hear(({ topic }) => topic === service))
        const here = yield* promise(() => atLocal("te/#"))
        const registered = yield* promise(() => here.hear(({ topic }) => topic === service))
        expect(registered.retain).toBe(true)
        expect(JSON.parse(registered.payload)).toEqual({
          "@type": "service",
          "@parent": "device/main//",
          name: "tedge-mapper-c8y",
          type: "service"
        })
        const ups = () => here.heard.filter(({ topic }) => topic === `${service}/status/health`)
        yield* promise(() => here.hear(({ topic }) => topic === `${service}/status/health`))
        for (const check of [`${service}/cmd/health/check`, "te/device/main///cmd/health/check"]) {
          const before = ups().length
          yield* promise(() => here.publish(check, ""))
          yield* promise(() => here.hear(() => ups().length > before))
        }
        for (const { payload } of ups())
          expect(JSON.parse(payload)).toEqual({ status: "up", pid: process.pid, time: expect.anything() })
      })
    ))

  it("is down after a clean stop, without a will, in the cloud too", async () => {
    const here = await atLocal("te/#")
    const there = await atCloud("s/us")
    await run(
      Effect.gen(function* () {
        yield* mapper()
        yield* promise(() => here.hear(isHealth("up")))
      })
    )
    await here.hear(isHealth("down"))
    await here.hear(({ payload }) => payload === JSON.stringify({ status: "down", pid: process.pid }))
    await there.hear(({ payload }) => payload.includes(",down"))
    const up = (name: string) => `102,dev01:device:main:service:${name},service,${name},up`
    const down = (name: string) => `102,dev01:device:main:service:${name},service,${name},down`
    const [mapperName, bridgeName] = ["tedge-mapper-c8y", "tedge-mapper-bridge-c8y"] as const
    expect(there.heard.map(({ payload }) => payload)).toEqual([
      up(mapperName),
      up(bridgeName),
      `${down(bridgeName)}\n${down(mapperName)}`
    ])
    for (const client of ["tedge-mapper-bridge-c8y", "tedge-mapper-c8y"])
      await local.waitForLog(new RegExp(`^Received DISCONNECT from ${client}$`))
    await cloud.waitForLog(/^Received DISCONNECT from dev01$/)
  })

  it("is down by its will when it does not stop cleanly", () =>
    run(
      Effect.gen(function* () {
        const here = yield* promise(() => atLocal("te/#"))
        yield* mapper()
        yield* promise(() => here.hear(isHealth("up")))
        const first = here.heard.length
        // The broker takes a client of the same name for the bridge's return: it cuts the bridge off.
        const impostor = yield* promise(() => joinBroker(local.port, [], undefined, "tedge-mapper-bridge-c8y"))
        const down = yield* promise(() =>
          here.hear((message) => here.heard.indexOf(message) >= first && isHealth("down")(message))
        )
        yield* promise(() => impostor.close())
        // It may be up already: the bridge takes its name back as the impostor does.
        const second = here.heard.indexOf(down)
        yield* promise(() => here.hear((message) => here.heard.indexOf(message) > second && isHealth("up")(message)))
      })
    ))
})
