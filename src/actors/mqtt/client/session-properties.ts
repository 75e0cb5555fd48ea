/** What CONNECT says of a session in MQTT 5, and how large a message may be in either version. */
import type { Target } from "../../../messages/mqtt.ts"

/**
 * In MQTT 5 a session ends with its connection unless it is given a time; 3.1.1 keeps it indefinitely (5.0, 3.1.2.11.2).
 *
 * A broker drops what is larger than the Maximum Packet Size without telling anybody, and the publisher has its PUBACK:
 * all that can be read past is let in, and named when it is discarded.
 */
export const sessionProperties = (target: Target, receiveMaximum: number) => ({
  receiveMaximum,
  sessionExpiryInterval: target.cleanSession ? 0 : 0xffff_ffff,
  maximumPacketSize: largestPacket
})

/** The largest PUBLISH that is taken, in bytes of the whole packet. */
export const largestPublishOf = ({ maximumPacketSize = oneMebibyte }: Target): number =>
  Math.min(maximumPacketSize, largestPacket)

/** What announces more ends the connection, whatever kind of packet it is. */
export const largestPacket = 16 * 1024 * 1024

/** Clouds take and send far less; with room for the topic and the properties. */
const oneMebibyte = 1024 * 1024 + 128 * 1024
