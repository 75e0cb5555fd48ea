/** The mapper's settings on the local broker: `te/device/main/service/tedge-mapper-c8y/config`. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { connectWith } from "../../../../src/actors/mqtt/broker-connection.ts"
import { startBroker, type TestBroker } from "../../../support/broker/broker.ts"
import { joinBroker, type MqttPeer } from "../../../support/broker/mqtt-peer.ts"
import { c8yToml, impatient, planFrom, startTestMapper } from "../../../support/device/mapper.ts"
import { type TestPki, testPki } from "../../../support/tls/pki.ts"

let dir: string
let pki: TestPki
let local: TestBroker
let peer: MqttPeer

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "tedge-document-"))
  pki = testPki({ deviceId: "dev01" })
  local = await startBroker()
  peer = await joinBroker(local.port, ["te/device/main/service/+/config"])
})
afterEach(async () => {
  await peer.close()
  await local.stop()
  pki.remove()
  rmSync(dir, { recursive: true, force: true })
})

const start = (more = "") =>
  Effect.gen(function* () {
    const plan = yield* planFrom(dir, c8yToml({ pki, cloudPort: 1, localPort: local.port, more }))
    yield* startTestMapper({ plan: impatient(plan), connect: connectWith })
  })

const run = (effect: Effect.Effect<void, unknown, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

const documents = (topic: string) => peer.heard.filter((message) => message.topic === topic)

const countOf = (topic: string, count: number) =>
  Effect.promise(() => peer.hear(() => documents(topic).length >= count))

describe("the settings of a mapper on the local broker", () => {
  it("are retained under its name, with a dead cloud too, and put back when they are replaced or removed", () =>
    run(
      Effect.gen(function* () {
        const topic = "te/device/main/service/tedge-mapper-c8y/config"
        yield* Effect.promise(() => peer.publish(topic, '{"url":"of a former run"}', { retain: true }))
        yield* start('device.key_pin = "geheim"')
        yield* countOf(topic, 2)
        const [, ours] = documents(topic)
        expect(JSON.parse(ours?.payload ?? "")).toMatchObject({
          url: "localhost",
          mqtt: "localhost:1",
          "device.id": "dev01",
          "bridge.topic_prefix": "c8y"
        })
        expect(ours?.payload).not.toContain("geheim")
        yield* Effect.promise(() => peer.publish(topic, '{"url":"evil.example"}', { retain: true }))
        yield* countOf(topic, 4)
        yield* Effect.promise(() => peer.publish(topic, "", { retain: true }))
        yield* countOf(topic, 6)
        expect(documents(topic).map(({ payload }) => payload)).toEqual([
          '{"url":"of a former run"}',
          ours?.payload,
          '{"url":"evil.example"}',
          ours?.payload,
          "",
          ours?.payload
        ])
        const late = yield* Effect.promise(() => joinBroker(local.port, [topic]))
        expect((yield* Effect.promise(() => late.hear(({ retain }) => retain))).payload).toBe(ours?.payload)
        yield* Effect.promise(() => late.close())
      })
    ))

  it("are named after the topic prefix", () =>
    run(
      Effect.andThen(
        start('bridge.topic_prefix = "c8y-edge"'),
        countOf("te/device/main/service/tedge-mapper-c8y-edge/config", 1)
      )
    ))
})
