/** What each cloud is known to end the connection at. */
import { Effect } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { limitsOf } from "../../../src/actors/bridge/cloud-limits.ts"
import { encodePackets } from "../../../src/actors/mqtt/client/packet-stream.ts"
import { explainDropped } from "../../../src/messages/explain/bridge.ts"
import { publishSize } from "../../../src/messages/wire/mqtt-publish.ts"
import { run, startBridge, up } from "./scripted-bridge.ts"

const aws = limitsOf("aws").against
const az = limitsOf("az").against

describe("AWS IoT", () => {
  it("takes eight levels and 256 bytes of UTF-8", () => {
    expect(aws("thinedge/dev01/td/4/5/6/7/8")).toBeUndefined()
    expect(aws("thinedge/dev01/td/4/5/6/7/8/9")).toEqual({ kind: "levels", levels: 9, limit: 8 })
    const start = "thinedge/dev01/td/"
    expect(aws(start + "x".repeat(256 - start.length))).toBeUndefined()
    expect(aws(start + "x".repeat(257 - start.length))).toEqual({ kind: "topicBytes", bytes: 257, limit: 256 })
    expect(aws(start + "ä".repeat(120))).toMatchObject({ kind: "topicBytes" })
  })

  it.each(["get", "update", "delete", "name/s-1/get", "name/s:1/update", "name/s_1/delete", "name/$package/update"])(
    "takes shadow/%s",
    (what) => {
      expect(aws(`$aws/things/dev01/shadow/${what}`)).toBeUndefined()
    }
  )

  it.each(["update/accepted", "get/rejected", "update/delta", "x", "", "name/a b/get", "name/get", "name//get"])(
    "keeps shadow/%s to itself",
    (what) => {
      expect(aws(`$aws/things/dev01/shadow/${what}`)).toMatchObject({ kind: "reserved" })
    }
  )
})

describe("Azure IoT Hub", () => {
  it.each([
    "devices/dev01/messages/events/",
    "devices/dev01/messages/events/a=b&c=%20d",
    "$iothub/twin/GET/?$rid=1",
    "$iothub/twin/PATCH/properties/reported/?$rid=a-1&$version=4",
    "$iothub/methods/res/200/?$rid=7",
    "$iothub/methods/res/-1/?$rid=7"
  ])("takes %s", (topic) => expect(az(topic)).toBeUndefined())

  it.each([
    "$iothub/twin/GET",
    "$iothub/twin/GET/",
    "$iothub/twin/GET/?$rid=",
    "$iothub/twin/PATCH/properties/desired/?$rid=1",
    "$iothub/twin/PATCH/x",
    "$iothub/methods/res/ok/?$rid=1",
    "$iothub/methods/res/200"
  ])("keeps %s to itself", (topic) => expect(az(topic)).toMatchObject({ kind: "reserved", target: topic }))

  it("counts the whole packet", () =>
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }),
        fc.nat(300_000),
        fc.constantFrom(0 as const, 1 as const),
        (topic, size, qos) => {
          const payload = Buffer.alloc(size)
          const packet = encodePackets([{ message: { topic, payload, qos, retain: false }, packetId: 1 }], 4)
          expect(publishSize({ topic, payload, qos, retain: false }, 4)).toBe(packet.length)
        }
      ),
      { numRuns: 50 }
    ))
})

describe("the bridge", () => {
  it("names what AWS would hang up at, and does not send it; its neighbours are sent once", () =>
    run(
      Effect.gen(function* () {
        const { bridge, local, cloud, receive, change } = yield* startBridge
        yield* change("local", up(false))
        yield* change("cloud", up(false))
        const topics = ["td/a", "td/1/2/3/4/5/6", "shadow/update/delta", "td/b", `td/${"x".repeat(250)}`, "td/c"]
        for (const [n, topic] of topics.entries()) yield* receive("local", n + 1, `aws/${topic}`)
        expect(cloud.attempts).toEqual(["a", "b", "c"].map((name) => `thinedge/dev01/td/${name}`))
        expect(cloud.disconnects).toBe(0)
        expect([...local.acknowledged].sort()).toEqual([1, 2, 3, 4, 5, 6])
        const { counters } = yield* bridge.ask("Status", undefined, { within: "1 second" })
        expect(counters).toMatchObject({ outbound: 3, dropped: 3 })
      })
    ))

  it("says the rule in a sentence", () => {
    const said = (topic: string) => {
      const rule = aws(topic)
      return rule && explainDropped({ direction: "outbound", topic: "aws/x", reason: "againstRule", rule })
    }
    expect(said("a/b/c/d/e/f/g/h/i")).toBe(
      "Dropping cloud-bound message on topic aws/x: its topic in the cloud has 9 levels; the limit is 8"
    )
    expect(said("x".repeat(257))).toContain("257 bytes; the limit is 256")
    expect(said("$aws/things/a/jobs")).toContain("'$aws/things/a/jobs' is reserved")
  })
})
