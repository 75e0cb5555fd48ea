/**
 * PUBLISH and PUBACK as bytes, each in one piece. The library writes a packet in five pieces and keeps a copy of every
 * message until it is acknowledged; here the other side's broker keeps it.
 *
 * Source: MQTT 3.1.1 and 5.0, 3.3 and 3.4.
 */
import type { MqttMessage } from "../../../messages/mqtt.ts"

export interface Publish extends MqttMessage {
  /** 0 for QoS 0. */
  readonly messageId: number
}

/** 4: MQTT 3.1.1. */
export type ProtocolVersion = 4 | 5

export const encodePublish = (publish: Publish, version: ProtocolVersion): Buffer => {
  const { topic, payload, qos, retain, messageId } = publish
  const topicBytes = Buffer.byteLength(topic)
  const length = remainingLength(topicBytes, publish, version)
  const packet = Buffer.allocUnsafe(1 + bytesOfLength(length) + length)
  packet[0] = 0x30 | (qos << 1) | (retain ? 1 : 0)
  let at = writeLength(packet, length)
  at = packet.writeUInt16BE(topicBytes, at)
  at += packet.write(topic, at)
  if (qos === 1) at = packet.writeUInt16BE(messageId, at)
  // No properties: their length is 0.
  if (version === 5) at = packet.writeUInt8(0, at)
  packet.set(payload, at)
  return packet
}

/** The bytes of the whole packet, as a broker's Maximum Packet Size counts them (MQTT 5.0, 2.1.4). */
export const publishSize = (message: MqttMessage, version: ProtocolVersion): number => {
  const length = remainingLength(Buffer.byteLength(message.topic), message, version)
  return 1 + bytesOfLength(length) + length
}

const remainingLength = (topicBytes: number, { qos, payload }: MqttMessage, version: ProtocolVersion): number =>
  2 + topicBytes + 2 * qos + (version === 5 ? 1 : 0) + payload.length

/** Both versions have this short form, for success. */
export const encodePuback = (messageId: number): Buffer => Buffer.from([0x40, 2, messageId >> 8, messageId & 0xff])

/** MQTT, 2.2.3: 7 bits in a byte, the lowest first. */
const writeLength = (packet: Buffer, length: number): number => {
  let at = 1
  let rest = length
  for (; rest >= 128; rest = Math.floor(rest / 128)) at = packet.writeUInt8((rest % 128) | 128, at)
  return packet.writeUInt8(rest, at)
}

const bytesOfLength = (length: number): number => (length < 128 ? 1 : length < 16_384 ? 2 : length < 2_097_152 ? 3 : 4)
