/** What a publish that failed says about its message. */
import type { MqttRefusal } from "../../messages/mqtt.ts"

/** The broker closed the connection; not the network, and not we for its silence. */
export const isDisconnect = (refusal: MqttRefusal): boolean =>
  refusal._tag === "BrokerDisconnected" ||
  (refusal._tag === "ConnectionLost" && refusal.stage === "connected" && refusal.endedBy !== "network")

/** MQTT 5.0, 3.4.2.1: not authorised, topic name invalid, packet too large, payload format invalid. The others pass. */
export const refusedForGood: ReadonlySet<number> = new Set([0x87, 0x90, 0x95, 0x99])
