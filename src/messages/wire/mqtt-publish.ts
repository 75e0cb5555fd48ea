/** The size of a PUBLISH packet, which limits of clouds and a broker's Maximum Packet Size count (MQTT 5.0, 2.1.4 and 3.3). */
import type { MqttMessage } from "../mqtt.ts"

/** 4: MQTT 3.1.1. */
export type ProtocolVersion = 4 | 5

/** Of the whole packet, in bytes; without properties. */
export const publishSize = (message: MqttMessage, version: ProtocolVersion): number => {
  const length = remainingLength(message, version)
  return 1 + (length < 128 ? 1 : length < 16_384 ? 2 : length < 2_097_152 ? 3 : 4) + length
}

export const remainingLength = ({ topic, qos, payload }: MqttMessage, version: ProtocolVersion): number =>
  2 + Buffer.byteLength(topic) + 2 * qos + (version === 5 ? 1 : 0) + payload.length
