/** What brokers refuse: subscriptions by mosquitto's dynamic-security plugin, and messages by their size. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Logger, type Scope } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { connectWith } from "../../../../src/actors/mqtt/broker-connection.ts"
import { startBroker, type TestBroker } from "../../../support/broker/broker.ts"
import { joinBroker, type MqttPeer } from "../../../support/broker/mqtt-peer.ts"
import { c8yToml, impatient, planFrom, startTestMapper } from "../../../support/device/mapper.ts"
import { makeDeviceCertificate, type TestPki, testPki } from "../../../support/tls/pki.ts"

let dir: string
let pki: TestPki
let cloud: TestBroker
let peers: Array<MqttPeer>

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "tedge-refusals-"))
  pki = testPki()
  const tls = { certFile: pki.serverCertFile, keyFile: pki.serverKeyFile, caFile: pki.caFile }
  cloud = await startBroker({ requireCertificate: true, tls })
  peers = []
})
afterEach(async () => {
  await Promise.all(peers.map((peer) => peer.close()))
  await cloud.stop()
  pki.remove()
  rmSync(dir, { recursive: true, force: true })
})

const plugin = readdirSync("/usr/lib")
  .map((triplet) => join("/usr/lib", triplet, "mosquitto_dynamic_security.so"))
  .find((path) => existsSync(path))

/** A mosquitto whose plugin denies subscribing to these. */
const denying = (filters: ReadonlyArray<string>) =>
  Effect.promise(() => {
    const config = join(dir, "dynamic-security.json")
    const acls = filters.map((topic) => ({ acltype: "subscribeLiteral", topic, allow: false, priority: 1 }))
    const all = { publishClientSend: true, publishClientReceive: true, subscribe: true, unsubscribe: true }
    writeFileSync(
      config,
      JSON.stringify({
        defaultACLAccess: all,
        clients: [],
        groups: [{ groupname: "everybody", roles: [{ rolename: "limited" }] }],
        roles: [{ rolename: "limited", acls }],
        anonymousGroup: "everybody"
      })
    )
    return startBroker({ lines: [`plugin ${plugin}`, `plugin_opt_config_file ${config}`] })
  })

const bridgeTopic = "te/device/main/service/tedge-mapper-bridge-c8y/status"

const mapperAt = (local: TestBroker) =>
  Effect.gen(function* () {
    const plan = yield* planFrom(dir, c8yToml({ pki, cloudPort: cloud.port, localPort: local.port }))
    return yield* startTestMapper({ plan: impatient(plan), connect: connectWith })
  })

const atLocal = (local: TestBroker, ...filters: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    const peer = await joinBroker(local.port, filters)
    peers.push(peer)
    return peer
  })

const atCloud = (...filters: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    const identity = makeDeviceCertificate(pki.ca, { cn: "cumulocity" })
    const peer = await joinBroker(cloud.port, filters, { ...identity, caFile: pki.caFile })
    peers.push(peer)
    return peer
  })

/** `said` waits until such a line is logged. */
const run = (effect: (said: (line: RegExp) => Effect.Effect<void>) => Effect.Effect<void, unknown, Scope.Scope>) => {
  const lines: Array<unknown> = []
  const text = () => lines.flat().join("\n")
  const said = (line: RegExp) => Effect.promise(() => expect.poll(text, { timeout: 30_000 }).toMatch(line))
  return effect(said).pipe(
    Effect.provide(Logger.layer([Logger.make(({ message }) => void lines.push(message))])),
    Effect.scoped,
    Effect.runPromise
  )
}

describe("a subscription that the local broker refuses (0x87, dynamic-security)", () => {
  it("takes the bridge down where the cloud needs it, with the filter and the reason", () =>
    run((said) =>
      Effect.gen(function* () {
        const local = yield* denying(["c8y/s/us/#"])
        const mapper = yield* mapperAt(local)
        yield* Effect.promise(() => local.waitForLog(/c8y\/s\/us\/#/, 2))
        const status = yield* Effect.repeat(mapper.bridge.ask("Status", undefined, { within: "30 seconds" }), {
          until: (now) => now.local._tag === "Down"
        })
        expect(status).toMatchObject({
          health: "down",
          local: { failure: { _tag: "SubscriptionRefused", filters: [{ filter: "c8y/s/us/#", code: 0x87 }] } }
        })
        yield* said(/refused the subscription to 'c8y\/s\/us\/#': not authorised \(0x87\)/)
        yield* Effect.promise(() => local.stop())
      })
    ))

  it("leaves the bridge up with a reason where others work, and those go on", () =>
    run((said) =>
      Effect.gen(function* () {
        const local = yield* denying(["c8y/q/us/#"])
        const here = yield* atLocal(local, `${bridgeTopic}/#`)
        const there = yield* atCloud("s/us")
        yield* mapperAt(local)
        const reason = yield* Effect.promise(() =>
          here.hear(
            ({ topic, payload }) => topic.endsWith("/reason") && payload !== "" && !payload.includes("next attempt")
          )
        )
        expect(reason.payload).toMatch(/^local: .*'c8y\/q\/us\/#': not authorised \(0x87\)$/)
        yield* Effect.promise(() => here.hear(({ payload }) => payload === '{"status":"up"}'))
        yield* said(/does not grant the subscription to 'c8y\/q\/us\/#'/)
        yield* Effect.promise(() => here.publish("c8y/s/us", "400,e,text"))
        yield* Effect.promise(() => there.hear(({ payload }) => payload === "400,e,text"))
        yield* Effect.promise(() => local.stop())
      })
    ))
})

describe("a message from the cloud that is too large for the local broker", () => {
  it.each(["message_size_limit 2000", "max_packet_size 2000"])(
    "is named and dropped; both directions go on: %s",
    (line) =>
      run((said) =>
        Effect.gen(function* () {
          const local = yield* Effect.promise(() => startBroker({ lines: [line] }))
          const here = yield* atLocal(local, "c8y/#", `${bridgeTopic}/#`)
          const there = yield* atCloud("s/us")
          yield* mapperAt(local)
          yield* Effect.promise(() => here.hear(({ payload }) => payload === '{"status":"up"}'))
          yield* Effect.promise(() => there.publish("s/ds", "5".repeat(3_000)))
          yield* Effect.promise(() => there.publish("s/ds", "510,dev01"))
          yield* Effect.promise(() => here.hear(({ payload }) => payload === "510,dev01"))
          yield* Effect.promise(() => here.publish("c8y/s/us", "400,e,text"))
          yield* Effect.promise(() => there.hear(({ payload }) => payload === "400,e,text"))
          yield* said(/Dropping local-bound message on topic c8y\/s\/ds: .*packet too large/)
          expect(
            local.log().filter((text) => /^New client connected .*tedge-mapper-bridge-c8y/.test(text)).length
          ).toBe(1)
          yield* Effect.promise(() => local.stop())
        })
      )
  )

  it("is read past, named with its size, and acknowledged above 1 MiB; the connection stays", () =>
    run((said) =>
      Effect.gen(function* () {
        const local = yield* Effect.promise(() => startBroker())
        const here = yield* atLocal(local, "c8y/#", `${bridgeTopic}/#`)
        const there = yield* atCloud()
        yield* mapperAt(local)
        yield* Effect.promise(() => here.hear(({ payload }) => payload === '{"status":"up"}'))
        yield* Effect.promise(() => there.publish("s/ds", "5".repeat(4_000_000)))
        yield* Effect.promise(() => there.publish("s/ds", "510,dev01"))
        yield* Effect.promise(() => here.hear(({ payload }) => payload === "510,dev01"))
        yield* said(/discarded a message of 40000\d\d bytes from cloud broker on topic s\/ds/)
        yield* Effect.promise(() => cloud.waitForLog(/^Received PUBACK from .*/, 2))
        yield* Effect.promise(() => local.stop())
      })
    ))

  it("from a local client as well: the broker does not drop it silently", () =>
    run((said) =>
      Effect.gen(function* () {
        const local = yield* Effect.promise(() => startBroker())
        const here = yield* atLocal(local, `${bridgeTopic}/#`)
        const there = yield* atCloud("s/us")
        yield* mapperAt(local)
        yield* Effect.promise(() => here.hear(({ payload }) => payload === '{"status":"up"}'))
        yield* Effect.promise(() => here.publish("c8y/s/us", "4".repeat(4_000_000)))
        yield* Effect.promise(() => here.publish("c8y/s/us", "400,f,text"))
        yield* Effect.promise(() => there.hear(({ payload }) => payload === "400,f,text"))
        yield* said(/discarded a message of 40000\d\d bytes from local broker on topic c8y\/s\/us/)
        yield* Effect.promise(() => local.stop())
      })
    ))
})

describe("a message at which the cloud disconnects (max_packet_size, MQTT 3.1.1)", () => {
  it("is held back and named; those before and behind it arrive, and the bridge stays up", () =>
    run((said) =>
      Effect.gen(function* () {
        yield* Effect.promise(() => cloud.stop())
        const tls = { certFile: pki.serverCertFile, keyFile: pki.serverKeyFile, caFile: pki.caFile }
        cloud = yield* Effect.promise(() =>
          startBroker({ requireCertificate: true, tls, lines: ["max_packet_size 3000"] })
        )
        const local = yield* Effect.promise(() => startBroker())
        const here = yield* atLocal(local, `${bridgeTopic}/#`)
        const there = yield* atCloud("s/us")
        const mapper = yield* mapperAt(local)
        yield* Effect.promise(() => here.hear(({ payload }) => payload === '{"status":"up"}'))
        for (const payload of ["before", "x".repeat(5_000), "behind"])
          yield* Effect.promise(() => here.publish("c8y/s/us", payload))
        yield* Effect.promise(() => there.hear(({ payload }) => payload === "before"))
        yield* Effect.promise(() => there.hear(({ payload }) => payload === "behind"))
        yield* said(/Holding back cloud-bound message on topic s\/us: the broker closed three connections/)
        const connections = () => cloud.log().filter((text) => /^New client connected .* as /.test(text)).length
        const ofBoth = 5 // the one that hears, the mapper's first, and one after each that the broker closed
        yield* Effect.promise(() => expect.poll(connections).toBe(ofBoth))
        yield* Effect.promise(() => here.publish("c8y/s/us", "later"))
        yield* Effect.promise(() => there.hear(({ payload }) => payload === "later"))
        expect(connections()).toBe(ofBoth)
        // The acknowledgement of the last one comes after others have heard it.
        const { health } = yield* Effect.repeat(mapper.bridge.ask("Status", undefined, { within: "30 seconds" }), {
          until: ({ counters }) => counters.waiting === 1
        })
        expect(health).toBe("up")
        yield* Effect.promise(() => local.stop())
      })
    ))
})

describe("a message that is retained on the local broker", () => {
  it("is sent to the cloud once, not at each start of the mapper", () =>
    run(() =>
      Effect.gen(function* () {
        const local = yield* Effect.promise(() => startBroker())
        const here = yield* atLocal(local, `${bridgeTopic}/#`)
        const there = yield* atCloud("s/us")
        yield* Effect.promise(() => here.publish("c8y/s/us", "retained", { retain: true }))
        for (const turn of ["first", "second", "third"])
          yield* Effect.scoped(
            Effect.gen(function* () {
              const mapper = yield* mapperAt(local)
              yield* Effect.repeat(mapper.bridge.ask("Status", undefined, { within: "30 seconds" }), {
                until: ({ health }) => health === "up"
              })
              yield* Effect.promise(() => here.publish("c8y/s/us", turn))
              yield* Effect.promise(() => there.hear(({ payload }) => payload === turn))
              yield* mapper.stop("drain")
            })
          )
        expect(there.heard.filter(({ payload }) => payload === "retained").length).toBe(1)
        yield* Effect.promise(() => local.stop())
      })
    ))
})
