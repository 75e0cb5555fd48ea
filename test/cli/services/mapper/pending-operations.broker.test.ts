/** When Cumulocity is asked for pending operations (500): where everything is ours, and not beside thin-edge's own mapper. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Logger, type Scope } from "effect"
import { connectAsync } from "mqtt"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { connectWith } from "../../../../src/actors/mqtt/broker-connection.ts"
import { startBroker, type TestBroker } from "../../../support/broker/broker.ts"
import { joinBroker, type MqttPeer } from "../../../support/broker/mqtt-peer.ts"
import { c8yToml, impatient, planFrom, startTestMapper } from "../../../support/device/mapper.ts"
import { makeDeviceCertificate, type TestPki, testPki } from "../../../support/tls/pki.ts"

let dir: string
let pki: TestPki
let local: TestBroker
let cloud: TestBroker
let there: MqttPeer
let leave: Array<() => Promise<unknown>>

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "tedge-operations-"))
  pki = testPki()
  const tls = { certFile: pki.serverCertFile, keyFile: pki.serverKeyFile, caFile: pki.caFile }
  local = await startBroker()
  cloud = await startBroker({ requireCertificate: true, tls })
  const identity = makeDeviceCertificate(pki.ca, { cn: "cumulocity" })
  there = await joinBroker(cloud.port, ["s/us"], { ...identity, caFile: pki.caFile })
  leave = [() => there.close()]
})
afterEach(async () => {
  await Promise.all(leave.map((go) => go()))
  await Promise.all([local.stop(), cloud.stop()])
  pki.remove()
  rmSync(dir, { recursive: true, force: true })
})

const start = (more = "") =>
  Effect.gen(function* () {
    const plan = yield* planFrom(dir, c8yToml({ pki, cloudPort: cloud.port, localPort: local.port, more }))
    return yield* startTestMapper({ plan: impatient(plan), connect: connectWith })
  })

const run = (effect: (said: (words: RegExp) => Effect.Effect<void>) => Effect.Effect<void, unknown, Scope.Scope>) => {
  const lines: Array<string> = []
  const said = (words: RegExp) =>
    Effect.asVoid(
      Effect.repeat(Effect.sleep("50 millis"), { until: () => Effect.succeed(lines.some((line) => words.test(line))) })
    )
  return effect(said).pipe(
    Effect.provide(Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])),
    Effect.scoped,
    Effect.runPromise
  )
}

const asked = () => there.heard.filter(({ payload }) => payload === "500").length
const askedTimes = (count: number) => Effect.promise(() => there.hear(() => asked() >= count))

const health = (name: string) => `te/device/main/service/${name}/status/health`

/** thin-edge's mapper as its neighbours see it: retained health, and answers to the health check. */
const playOriginal = (clientId: string) =>
  Effect.promise(async () => {
    const topic = health("tedge-mapper-c8y")
    const payload = (status: "up" | "down") => JSON.stringify({ pid: 4242, status, time: Date.now() / 1000 })
    const client = await connectAsync({
      host: "127.0.0.1",
      port: local.port,
      clientId,
      clean: false,
      reconnectPeriod: 100,
      will: { topic, payload: Buffer.from(payload("down")), qos: 1, retain: true }
    })
    client.on("error", () => {})
    const say = () => client.publish(topic, payload("up"), { qos: 1, retain: true })
    client.on("message", say)
    client.on("connect", say)
    await client.subscribeAsync("te/device/main/service/tedge-mapper-c8y/cmd/health/check", { qos: 1 })
    say()
    const end = () => client.endAsync(true)
    leave.push(end)
    return end
  })

const reconnectCloud = Effect.promise(() => cloud.restart())

describe("pending operations", () => {
  it("are asked for after each connection with the cloud where no other mapper is, also one that was", () =>
    run(() =>
      Effect.gen(function* () {
        const before = yield* Effect.promise(() => joinBroker(local.port))
        leave.push(() => before.close())
        // What a mapper leaves that lost its power together with the broker, or that was uninstalled.
        const left = JSON.stringify({ status: "up", pid: 4242, time: 1 })
        yield* Effect.promise(() => before.publish(health("tedge-mapper-c8y"), left, { retain: true }))
        yield* Effect.promise(() => before.publish(health("mosquitto-c8y-bridge"), "0", { retain: true }))
        yield* start()
        yield* askedTimes(1)
        yield* reconnectCloud
        yield* askedTimes(2)
      })
    ))

  it("are left to thin-edge's mapper where it runs, until it does no more", () =>
    run((said) =>
      Effect.gen(function* () {
        const end = yield* playOriginal("original")
        yield* start()
        yield* said(
          /^pending operations are not requested from the cloud: another mapper \(process 4242\) answers on te\/.*tedge-mapper-c8y\/status\/health$/
        )
        expect(asked()).toBe(0)
        yield* Effect.promise(end)
        yield* reconnectCloud
        yield* askedTimes(1)
      })
    ))

  it("are left to a mapper that takes our connection over, as it has the same client id", () =>
    run((said) =>
      Effect.gen(function* () {
        yield* playOriginal("tedge-mapper-c8y")
        yield* start()
        yield* said(/^pending operations are not requested from the cloud: /)
        expect(asked()).toBe(0)
      })
    ))

  it("are left alone beside a bridge of mosquitto's", () =>
    run((said) =>
      Effect.gen(function* () {
        const bridge = yield* Effect.promise(() => joinBroker(local.port))
        leave.push(() => bridge.close())
        yield* Effect.promise(() => bridge.publish(health("mosquitto-c8y-bridge"), "1", { retain: true }))
        yield* start()
        yield* said(/not requested from the cloud: a bridge of mosquitto is up according to .*mosquitto-c8y-bridge/)
        expect(asked()).toBe(0)
      })
    ))

  it("are not asked for where c8y.bridge.ask_for_operations is false", () =>
    run(() =>
      Effect.gen(function* () {
        const mapper = yield* start("bridge.ask_for_operations = false")
        yield* Effect.promise(() => there.hear(({ payload }) => payload.startsWith("102,")))
        const tree = JSON.stringify(yield* mapper.bridge.ask("Status", undefined, { within: "30 seconds" }))
        expect(tree).toContain('"health":')
        expect(local.log().join("\n")).not.toContain("mosquitto-c8y-bridge")
        expect(asked()).toBe(0)
      })
    ))
})
