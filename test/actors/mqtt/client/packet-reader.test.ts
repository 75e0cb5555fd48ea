import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  type Disconnected,
  type OversizedPublish,
  PacketReader
} from "../../../../src/actors/mqtt/client/packet-reader.ts"
import { encodePackets } from "../../../../src/actors/mqtt/client/packet-stream.ts"

const read = (chunks: ReadonlyArray<Buffer>, options: { version?: 4 | 5; limit?: number; largest?: number } = {}) => {
  const oversized: Array<OversizedPublish> = []
  const disconnected: Array<Disconnected> = []
  const malformed: Array<string> = []
  const publishes: Array<unknown> = []
  const pubacks: Array<readonly [packetId: number, code: number]> = []
  const reader = new PacketReader({
    version: options.version ?? 5,
    largestPublish: options.limit ?? 100,
    largestPacket: options.largest ?? 1_000,
    onOversized: (publish) => void oversized.push(publish),
    onDisconnect: (one) => void disconnected.push(one),
    onMalformed: (detail) => void malformed.push(detail),
    onPublish: (packetId, { topic, payload, qos, retain }) =>
      void publishes.push({ packetId, topic, payload: Buffer.from(payload).toString("hex"), qos, retain }),
    onPuback: (packetId, code) => void pubacks.push([packetId, code])
  })
  const passed = Buffer.concat(chunks.flatMap((chunk) => [...reader.read(chunk)]))
  return { reader, oversized, disconnected, malformed, publishes, pubacks, passed: passed.toString("hex") }
}

const publish = (topic: string, size: number, qos: 0 | 1 = 1, version: 4 | 5 = 5): Buffer =>
  encodePackets([{ message: { topic, payload: Buffer.alloc(size, 0x61), qos, retain: false }, packetId: 7 }], version)

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex")

/** Cuts the bytes at these places. */
const cutAt = (bytes: Buffer, places: ReadonlyArray<number>): ReadonlyArray<Buffer> => {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [...at, bytes.length].map((end, index) => bytes.subarray(index === 0 ? 0 : at[index - 1], end))
}

describe("PacketReader", () => {
  it("passes CONNACK and PINGRESP without a change, and takes out PUBLISH and PUBACK", () => {
    const bytes = Buffer.concat([hex("20 03 00 00 00"), publish("a/b", 2), hex("40 02 00 07"), hex("d0 00")])
    const { passed, publishes, pubacks } = read([bytes])
    expect(passed).toBe("2003000000d000")
    expect(publishes).toEqual([{ packetId: 7, topic: "a/b", payload: "6161", qos: 1, retain: false }])
    expect(pubacks).toEqual([[7, 0]])
  })

  it("reads a PUBLISH of either version, with properties, without a payload, retained, sent again", () => {
    expect(read([hex("3b 05 0001 61 0102")], { version: 4 }).publishes).toEqual([
      { packetId: 0x102, topic: "a", payload: "", qos: 1, retain: true }
    ])
    // Content Type and a User Property (MQTT 5.0, 3.3.2.3).
    expect(read([hex("30 14 0003 c3a462 0c 03 0002 6a73 26 0001 6b 0001 76 ff 00")]).publishes).toEqual([
      { packetId: undefined, topic: "äb", payload: "ff00", qos: 0, retain: false }
    ])
  })

  it.each([
    ["without room for its topic", "30 04 0003 61 62", "PUBLISH"],
    ["without its packet id", "32 04 0001 61 00", "PUBLISH"],
    ["without properties", "30 03 0001 61", "PUBLISH"],
    ["with properties that go beyond it", "30 04 0001 61 05", "PUBLISH"],
    ["without a topic", "30 03 0000 00", "PUBLISH"],
    ["of no length", "30 00", "PUBLISH"],
    ["without its packet id", "40 01 00", "PUBACK"]
  ])("ends at a packet %s: %s", (_what, bytes, name) => {
    const { malformed, passed, publishes, pubacks } = read([hex(bytes), hex("d0 00")])
    expect(malformed).toEqual([`it sent a malformed ${name}`])
    expect([passed, publishes, pubacks]).toEqual(["", [], []])
  })

  it("passes a PUBLISH of QoS 2, which was not asked for, to the library", () => {
    const bytes = hex("34 06 0001 61 0001 00")
    expect(read([bytes])).toMatchObject({ passed: bytes.toString("hex"), publishes: [] })
  })

  it("reports any reason code of a PUBACK", () => {
    for (const code of [0x10, 0x80, 0x87, 0x95, 0x97, 0xf0, 0xff])
      expect(read([Buffer.from([0x40, 4, 0, 7, code, 0])]).pubacks).toEqual([[7, code]])
    expect(read([hex("40 09 0007 10 05 1f 0002 6f6b")]).pubacks).toEqual([[7, 0x10]])
  })

  it("keeps every code of a SUBACK, with properties or without, in either version", () => {
    const five = read([hex("90 0c 0001 05 1f 0002 6e6f 87 01 97 00")])
    expect(five.passed).toBe("9007000100" + "80018000")
    expect(five.reader.codesOf(1)).toEqual([0x87, 1, 0x97, 0])
    const three = read([hex("90 05 0001 87 01 05")], { version: 4 })
    expect(three.passed).toBe("90050001800180")
    expect(three.reader.codesOf(1)).toEqual([0x87, 1, 5])
  })

  it("reports code and reason string of a DISCONNECT, and does not pass it on", () => {
    const { disconnected, passed } = read([hex("e0 0c 8e 0a 26 0001 6b 0001 76 1f 0000"), hex("d0 00")])
    expect(passed).toBe("d000")
    expect(disconnected).toEqual([{ code: 0x8e, reason: "" }])
    expect(read([hex("e0 07 98 05 1f 0002 6279")]).disconnected).toEqual([{ code: 0x98, reason: "by" }])
    expect(read([hex("e0 00")]).disconnected).toEqual([{ code: 0, reason: "" }])
    // Malformed properties are no reason to lose the code.
    expect(read([hex("e0 03 f0 ff ff")]).disconnected).toEqual([{ code: 0xf0, reason: "" }])
  })

  it("skips a PUBLISH above the limit and names it; what comes after it is read", () => {
    const large = publish("too/large", 200)
    const { oversized, passed } = read([Buffer.concat([large, hex("d0 00")])])
    expect(passed).toBe("d000")
    expect(oversized).toEqual([{ topic: "too/large", qos: 1, packetId: 7, size: large.length }])
    const forgotten = read([publish("q0", 200, 0, 4)], { version: 4 })
    expect(forgotten.oversized).toMatchObject([{ topic: "q0", qos: 0, packetId: undefined }])
  })

  it("ends at a packet that announces too much, with the topic of a PUBLISH, before it has come", () => {
    const huge = publish("huge", 5_000)
    expect(read([huge.subarray(0, 40)]).malformed).toEqual([
      `it announced a message of ${huge.length} bytes on topic huge`
    ])
    expect(read([hex("90 ff 7f 00")]).malformed).toEqual(["it announced a packet of 16386 bytes"])
    expect(read([hex("30 ff ff ff ff 01")]).malformed).toEqual(["it sent a malformed packet length"])
    expect(read([huge, hex("d0 00")]).passed).toBe("")
  })

  it("reads the same however the bytes are cut", () => {
    const packet = fc.oneof(
      fc.constantFrom(
        hex("d0 00"),
        hex("40 02 0007"),
        hex("40 03 0009 95"),
        hex("90 06 0001 00 87 01 97"),
        hex("20 03 00 00 00"),
        hex("e0 01 8b")
      ),
      fc
        .record({ size: fc.integer({ min: 0, max: 300 }), qos: fc.constantFrom(0 as const, 1 as const) })
        .map(({ size, qos }) => publish(`topic/${size}`, size, qos))
    )
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 40 }), (packets, places) => {
        const bytes = Buffer.concat(packets)
        const whole = read([bytes])
        const cut = read(cutAt(bytes, places))
        expect(cut.passed).toBe(whole.passed)
        expect(cut.publishes).toEqual(whole.publishes)
        expect(cut.pubacks).toEqual(whole.pubacks)
        expect(cut.oversized).toEqual(whole.oversized)
        expect(cut.disconnected).toEqual(whole.disconnected)
      })
    )
  })

  it("throws for no bytes at all", () =>
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 })),
        fc.constantFrom(4 as const, 5 as const),
        (chunks, version) => {
          read(
            chunks.map((chunk) => Buffer.from(chunk)),
            { version }
          )
        }
      )
    ))
})
