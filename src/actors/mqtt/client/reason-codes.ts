/** Refusals of MQTT 5 as the return codes of MQTT 3.1.1 that mean the same, so that they are explained once. */

/** MQTT 3.1.1, table 3.1; MQTT 5.0, table 3-1. Undefined: MQTT 3.1.1 has no word for it. */
export const returnCodeOf = (reasonCode: number): number | undefined =>
  reasonCode > 0 && reasonCode < 128 ? reasonCode : returnCodes[reasonCode]

/** "Unacceptable protocol version", from a broker that speaks MQTT 3.1.1 only (3.1.2.2 of either version). */
export const speaksNoMqtt5 = 1

/** PUBACK, MQTT 5.0, 4.13: the packet is longer than the broker's Maximum Packet Size. */
export const packetTooLarge = 0x95

/** SUBACK, MQTT 3.1.1, 3.9.3. */
export const refusedSubscription = 0x80

const returnCodes: Readonly<Record<number, number>> = {
  132: speaksNoMqtt5,
  133: 2,
  134: 4,
  135: 5,
  136: 3,
  137: 3,
  138: 5,
  139: 3,
  140: 4,
  159: 3
}
