import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  type Disconnected,
  type OversizedPublish,
  PacketReader
} from "../../../../src/actors/mqtt/client/packet-reader.ts"
import { encodePublish } from "../../../../src/actors/mqtt/client/publish-packet.ts"

const read = (chunks: ReadonlyArray<Buffer>, options: { version?: 4 | 5; limit?: number; largest?: number } = {}) => {
  const oversized: Array<OversizedPublish> = []
  const disconnected: Array<Disconnected> = []
  const tooLarge: Array<string> = []
  const reader = new PacketReader({
    version: options.version ?? 5,
    largestPublish: options.limit ?? 100,
    largestPacket: options.largest ?? 1_000,
    onOversized: (publish) => void oversized.push(publish),
    onDisconnect: (one) => void disconnected.push(one),
    onTooLarge: (detail) => void tooLarge.push(detail)
  })
  const passed = Buffer.concat(chunks.flatMap((chunk) => [...reader.read(chunk)]))
  return { reader, oversized, disconnected, tooLarge, passed: passed.toString("hex") }
}

const publish = (topic: string, size: number, qos: 0 | 1 = 1, version: 4 | 5 = 5): Buffer =>
  encodePublish({ topic, payload: Buffer.alloc(size, 0x61), qos, retain: false, messageId: 7 }, version)

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex")

/** Cuts the bytes at these places. */
const cutAt = (bytes: Buffer, places: ReadonlyArray<number>): ReadonlyArray<Buffer> => {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [...at, bytes.length].map((end, index) => bytes.subarray(index === 0 ? 0 : at[index - 1], end))
}

describe("PacketReader", () => {
  it("passes CONNACK, PUBLISH, PUBACK, PINGRESP without a change", () => {
    const bytes = Buffer.concat([hex("20 03 00 00 00"), publish("a/b", 20), hex("40 02 00 07"), hex("d0 00")])
    expect(read([bytes]).passed).toBe(bytes.toString("hex"))
  })

  it("keeps any reason code of a PUBACK as a number, and gives the library one that it knows", () => {
    for (const code of [0x80, 0x87, 0x95, 0x97, 0xf0, 0xff]) {
      const { reader, passed } = read([Buffer.from([0x40, 4, 0, 7, code, 0])])
      expect(passed).toBe("400300 0780".replace(" ", ""))
      expect(reader.codesOf(7)).toEqual([code])
      expect(reader.codesOf(7)).toBeUndefined()
    }
  })

  it("takes a PUBACK with a code below 0x80 and properties for success", () => {
    const { reader, passed } = read([hex("40 09 0007 10 05 1f 0002 6f6b")])
    expect(passed).toBe("40020007")
    expect(reader.codesOf(7)).toBeUndefined()
  })

  it("keeps every code of a SUBACK, with properties or without, in either version", () => {
    const five = read([hex("90 0c 0001 05 1f 0002 6e6f 87 01 97 00")])
    expect(five.passed).toBe("9007000100" + "80018000")
    expect(five.reader.codesOf(1)).toEqual([0x87, 1, 0x97, 0])
    const three = read([hex("90 05 0001 87 01 05")], { version: 4 })
    expect(three.passed).toBe("90050001800180")
    expect(three.reader.codesOf(1)).toEqual([0x87, 1, 5])
  })

  it("tells the code and the words of a DISCONNECT, and does not pass it on", () => {
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
    expect(read([huge.subarray(0, 40)]).tooLarge).toEqual([
      `it announced a message of ${huge.length} bytes on topic huge`
    ])
    expect(read([hex("90 ff 7f 00")]).tooLarge).toEqual(["it announced a packet of 16386 bytes"])
    expect(read([hex("30 ff ff ff ff 01")]).tooLarge).toEqual(["it sent a malformed packet length"])
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
