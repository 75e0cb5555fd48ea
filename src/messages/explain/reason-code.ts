/** Names of the reason codes of MQTT. */

/** `not authorised (0x87)`; an unknown code is only a number. */
export const reasonCodeText = (code: number): string => {
  const name = names[code]
  return name === undefined ? reasonCodeName(code) : `${name} (${inHex(code)})`
}

/** The name without the number, if there is one. */
export const reasonCodeName = (code: number): string => names[code] ?? `reason code ${inHex(code)}`

/** Undefined: not in any standard. */
export const reasonCodeNameOf = (code: number): string | undefined => names[code]

const inHex = (code: number): string => `0x${code.toString(16).padStart(2, "0")}`

/** MQTT 5.0, table 2-6. */
const names: Readonly<Record<number, string>> = {
  4: "disconnect with will message",
  128: "unspecified error",
  129: "malformed packet",
  130: "protocol error",
  131: "implementation specific error",
  132: "unsupported protocol version",
  133: "client identifier not valid",
  134: "bad user name or password",
  135: "not authorised",
  136: "server unavailable",
  137: "server busy",
  138: "banned",
  139: "server shutting down",
  140: "bad authentication method",
  141: "keep alive timeout",
  142: "session taken over: another client has connected with the same client id",
  143: "topic filter invalid",
  144: "topic name invalid",
  145: "packet identifier in use",
  146: "packet identifier not found",
  147: "receive maximum exceeded",
  148: "topic alias invalid",
  149: "packet too large: max_packet_size of the broker",
  150: "message rate too high",
  151: "quota exceeded",
  152: "administrative action",
  153: "payload format invalid",
  154: "retain not supported",
  155: "QoS not supported",
  156: "use another server",
  157: "server moved",
  158: "shared subscriptions not supported",
  159: "connection rate exceeded",
  160: "maximum connect time",
  161: "subscription identifiers not supported",
  162: "wildcard subscriptions not supported"
}
