/** The bridge beside thin-edge.io's mapper: what it says of itself, and that the two do not get in each other's way. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { connectWith } from "../../../../src/actors/mqtt/broker-connection.ts"
import { startBroker, type TestBroker } from "../../../support/broker/broker.ts"
import { type Heard, joinBroker, type MqttPeer } from "../../../support/broker/mqtt-peer.ts"
import { executable } from "../../../support/device/device.ts"
import { impatient, planFrom, startTestMapper } from "../../../support/device/mapper.ts"
import { configureMapper, mapperProcess } from "../../../support/device/mapper-process.ts"
import { health, playMapper } from "../../../support/device/played-mapper.ts"
import { makeDeviceCertificate, type TestPki, testPki } from "../../../support/tls/pki.ts"

let dir: string
let pki: TestPki
let local: TestBroker
let cloud: TestBroker
/** Cumulocity: hears what devices say, and answers. */
let there: MqttPeer
/** Somebody at the local broker who hears everything from the beginning. */
let here: MqttPeer
let leave: Array<() => Promise<unknown>>

const mosquitto = health("mosquitto-c8y-bridge")
const bridge = health("tedge-mapper-bridge-c8y")

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "tedge-beside-"))
  pki = testPki()
  const tls = { certFile: pki.serverCertFile, keyFile: pki.serverKeyFile, caFile: pki.caFile }
  local = await startBroker({ persistence: true })
  cloud = await startBroker({ requireCertificate: true, tls, persistence: true })
  const identity = makeDeviceCertificate(pki.ca, { cn: "cumulocity" })
  there = await joinBroker(cloud.port, ["#"], { ...identity, caFile: pki.caFile }, "cumulocity")
  here = await joinBroker(local.port, ["te/#"], undefined, "here")
  leave = [() => there.close(), () => here.close()]
})
afterEach(async () => {
  await Promise.all(leave.map((go) => go()))
  await Promise.all([local.stop(), cloud.stop()])
  pki.remove()
  rmSync(dir, { recursive: true, force: true })
})

const start = Effect.gen(function* () {
  const toml = `[c8y]
url = "localhost"
mqtt = "localhost:${cloud.port}"
root_cert_path = "${pki.caFile}"
[device]
cert_path = "${pki.deviceCertFile}"
key_path = "${pki.deviceKeyFile}"
[mqtt.client]
port = ${local.port}
`
  const plan = yield* planFrom(dir, toml, "c8y", "beside-thin-edge")
  return yield* startTestMapper({ plan: impatient(plan), connect: connectWith })
})

const play = Effect.promise(async () => {
  const mapper = await playMapper(local.port)
  leave.push(mapper.close)
  return mapper
})

const bridgeProcess = () => {
  const made = mapperProcess(dir, ["c8y"], {}, [], executable("tedge-hsm-bridge"))
  leave.push(async () => void made.child.kill("SIGKILL"))
  return made
}

const run = (effect: Effect.Effect<void, unknown, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

const said = (topic: string): ReadonlyArray<string> =>
  here.heard.filter((message) => message.topic === topic).map(({ payload }) => payload)
const hears = (topic: string, payload: string | RegExp, times = 1) =>
  Effect.promise(() => here.hear(() => said(topic).filter((text) => text.match(payload) !== null).length >= times))
const cloudHears = (fits: (message: Heard) => boolean) => Effect.promise(() => there.hear(fits))
const operationsAsked = () => there.heard.filter(({ payload }) => payload === "500").length

describe("the bridge beside thin-edge.io's mapper", () => {
  it("releases the mapper before the cloud is there, and says nothing in its name", () =>
    run(
      Effect.gen(function* () {
        const mapper = yield* play
        yield* Effect.promise(() => cloud.halt())
        yield* start
        yield* Effect.promise(() => mapper.released)
        yield* hears(bridge, /down/)
        yield* Effect.promise(() => cloud.restart())
        yield* hears(bridge, /up/)
        const other = here.heard.filter(
          ({ topic, payload }) => topic.includes("tedge-mapper-c8y") && !payload.includes("4242")
        )
        expect(other.map(({ topic }) => topic)).toEqual(["te/device/main/service/tedge-mapper-c8y"])
        expect(mapper.losses()).toBe(0)
        expect(local.log().filter((line) => / as tedge-bridge-c8y /.test(line)).length).toBeGreaterThan(0)
      })
    ))

  it("has the cloud asked once for each reconnection, and twice at most after a start", () =>
    run(
      Effect.gen(function* () {
        const mapper = yield* play
        yield* start
        yield* hears(bridge, /up/)
        yield* cloudHears(() => operationsAsked() === 2)
        expect(said(mosquitto)).toEqual(["1"])
        expect(mapper.askedForOperations()).toBe(2)
        for (let cut = 1; cut <= 3; cut++) {
          yield* Effect.promise(() => cloud.restart())
          yield* hears(bridge, /up/, cut + 1)
          yield* cloudHears(() => operationsAsked() >= 2 + cut)
        }
        expect(mapper.askedForOperations()).toBe(5)
        expect(said(mosquitto)).toEqual(["1"])
        expect(said(bridge).filter((text) => /up/.test(text))).toHaveLength(4)
      })
    ))

  it("has the cloud asked twice at most when it is restarted", () =>
    run(
      Effect.gen(function* () {
        const mapper = yield* play
        yield* Effect.scoped(
          Effect.andThen(
            start,
            cloudHears(() => operationsAsked() === 2)
          )
        )
        yield* hears(mosquitto, "0")
        yield* start
        yield* hears(bridge, /up/, 2)
        yield* cloudHears(() => operationsAsked() >= 4)
        expect(said(mosquitto)).toEqual(["1", "0", "1"])
        expect(mapper.askedForOperations()).toBe(4)
      })
    ))

  it("forwards the mapper's token request, its telemetry, and only its own 102", () =>
    run(
      Effect.gen(function* () {
        const mapper = yield* play
        yield* start
        const answering = Effect.gen(function* () {
          yield* cloudHears(({ topic }) => topic === "s/uat")
          yield* Effect.promise(() => there.publish("s/dat", "71,token"))
        })
        yield* hears(bridge, /up/)
        const [line] = yield* Effect.all([Effect.promise(mapper.token), answering], { concurrency: 2 })
        expect(line).toBe("71,token")
        yield* Effect.promise(() => here.publish("te/device/main///m/", '{"t":1}'))
        yield* cloudHears(({ topic }) => topic === "measurement/measurements/create")
        const registrations = there.heard
          .filter(({ payload }) => payload.startsWith("102,"))
          .map(({ payload }) => payload)
        expect(registrations).toHaveLength(1)
        expect(registrations[0]).toMatch(
          /^102,[^,]+:device:main:service:tedge-mapper-bridge-c8y,service,tedge-mapper-bridge-c8y,up$/
        )
      })
    ))

  it("has the broker say both when it is killed, and keeps a second one of its name from starting", () =>
    run(
      Effect.gen(function* () {
        configureMapper({ dir, pki, localPort: local.port, cloudPort: cloud.port })
        const first = bridgeProcess()
        yield* hears(bridge, /up/)
        expect(readFileSync(join(dir, "run", "lock", "tedge-bridge-c8y.lock"), "utf8")).toBe(`${first.child.pid}`)
        const second = bridgeProcess()
        yield* Effect.promise(() =>
          second.says(/ERROR tedge-hsm-bridge: Another instance of tedge-bridge-c8y is running/)
        )
        expect(yield* Effect.promise(() => second.ended)).toBe(1)
        first.child.kill("SIGKILL")
        yield* hears(mosquitto, "0")
        yield* hears(bridge, /down/)
        expect(said(mosquitto)).toEqual(["1", "0"])
        expect(here.heard.filter(({ topic }) => topic.includes("tedge-mapper-c8y"))).toEqual([])
      })
    ))

  it("publishes 0 and down at its end, and again after the local broker was down", () =>
    run(
      Effect.gen(function* () {
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* start
            yield* hears(bridge, /up/)
            yield* Effect.promise(() => local.restart())
            yield* hears(mosquitto, "1", 2)
            yield* hears(bridge, /up/, 2)
          })
        )
        yield* Effect.promise(() => here.hear(() => said(mosquitto).at(-1) === "0"))
        const late = yield* Effect.promise(() => joinBroker(local.port, [mosquitto, bridge]))
        leave.push(late.close)
        yield* Effect.promise(() => late.hear(({ topic }) => topic === mosquitto))
        yield* Effect.promise(() => late.hear(({ topic }) => topic === bridge))
        expect(late.heard.map(({ payload, retain }) => [payload, retain]).toSorted()).toEqual([
          ["0", true],
          ['{"status":"down"}', true]
        ])
      })
    ))
})
