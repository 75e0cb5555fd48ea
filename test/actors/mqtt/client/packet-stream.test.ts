import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { encodePackets } from "../../../../src/actors/mqtt/client/packet-stream.ts"
import type { MqttMessage } from "../../../../src/messages/mqtt.ts"
import type { ProtocolVersion } from "../../../../src/messages/wire/mqtt-publish.ts"

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

const publish = (overrides: Partial<MqttMessage> = {}): MqttMessage => ({
  topic: "a/b",
  payload: Buffer.from("xyz"),
  qos: 1,
  retain: false,
  ...overrides
})

const encodePublish = (message: MqttMessage, version: ProtocolVersion, packetId = 10): Buffer =>
  encodePackets([{ message, packetId }], version)

/** Reads a PUBLISH as MQTT 3.1.1 and 5.0, 3.3, describe it. */
const decode = (packet: Buffer, version: ProtocolVersion) => {
  const first = packet.readUInt8(0)
  let at = 1
  let length = 0
  for (let shift = 1; ; shift *= 128) {
    const byte = packet.readUInt8(at++)
    length += (byte & 127) * shift
    if (byte < 128) break
  }
  expect(packet.length).toBe(at + length)
  const topicEnd = at + 2 + packet.readUInt16BE(at)
  const topic = packet.toString("utf8", at + 2, topicEnd)
  at = topicEnd
  const qos = (first >> 1) & 3
  const messageId = qos === 0 ? 0 : packet.readUInt16BE(at)
  at += qos === 0 ? 0 : 2
  if (version === 5) expect(packet.readUInt8(at++)).toBe(0)
  expect(first & 0xf8).toBe(0x30)
  return { topic, payload: hex(packet.subarray(at)), qos, retain: (first & 1) === 1, messageId }
}

describe("PUBLISH and PUBACK as bytes", () => {
  it("are those of the standard's figures", () => {
    // MQTT 3.1.1, figures 3.11 and 3.12: topic a/b, packet identifier 10.
    expect(hex(encodePublish(publish(), 4))).toBe("320a0003612f62000a78797a")
    expect(hex(encodePublish(publish(), 5))).toBe("320b0003612f62000a0078797a")
    expect(hex(encodePublish(publish({ qos: 0, retain: true, payload: Buffer.alloc(0) }), 4))).toBe("31050003612f62")
    expect(hex(encodePackets([0x1234], 4))).toBe("40021234")
    expect(hex(encodePackets([1, { message: publish(), packetId: 2 }, 3], 4))).toBe(
      "40020001320a0003612f62000278797a40020003"
    )
  })

  // MQTT 3.1.1, table 2.4: where the remaining length needs another byte.
  it.each([
    [127, "7f"],
    [128, "8001"],
    [16_383, "ff7f"],
    [16_384, "808001"],
    [2_097_151, "ffff7f"],
    [2_097_152, "80808001"]
  ])("have a remaining length of %i as %s", (length, bytes) => {
    const packet = encodePublish(publish({ topic: "t", payload: Buffer.alloc(length - 5) }), 4)
    expect(hex(packet.subarray(1, 1 + bytes.length / 2))).toBe(bytes)
    expect(packet.length).toBe(1 + bytes.length / 2 + length)
  })

  it("say what they were made from", () =>
    fc.assert(
      fc.property(
        fc.record({
          topic: fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
          payload: fc.uint8Array({ maxLength: 300 }),
          qos: fc.constantFrom(0 as const, 1 as const),
          retain: fc.boolean(),
          messageId: fc.integer({ min: 1, max: 65_535 })
        }),
        fc.constantFrom(4 as const, 5 as const),
        (made, version) => {
          const messageId = made.qos === 0 ? 0 : made.messageId
          expect(decode(encodePublish(made, version, messageId), version)).toEqual({
            ...made,
            topic: Buffer.from(made.topic).toString(),
            payload: hex(made.payload),
            messageId
          })
        }
      )
    ))
})
