/** What CONNECT says of a session in MQTT 5. */
import type { Target } from "../../messages/mqtt.ts"

/** In MQTT 5 a session ends with its connection unless it is given a time; 3.1.1 keeps it for ever (5.0, 3.1.2.11.2). */
export const sessionProperties = ({ cleanSession }: Target, receiveMaximum: number) => ({
  receiveMaximum,
  sessionExpiryInterval: cleanSession ? 0 : 0xffff_ffff
})
