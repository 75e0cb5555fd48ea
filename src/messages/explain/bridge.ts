/** Log lines of the bridge. Source: thin-edge, built-in bridge (the first words of the line). */
import type { DroppedMessage, HeldBackMessage } from "../bridge.ts"
import { quoted } from "./explanation.ts"

export const explainDropped = (dropped: DroppedMessage): string => {
  const start = `Dropping ${namely(dropped)}`
  switch (dropped.reason) {
    case "tooLarge":
      return `${start}: its ${dropped.size} bytes are more than the ${dropped.limit} the cloud takes (${dropped.setting})`
    case "invalidTopic":
      return `${start}: '${quoted(dropped.target)}' is no topic to publish on`
    case "refused":
      return `${start}: the broker refused it (${reasonOf(dropped.code)})`
  }
}

export const explainHeldBack = (message: HeldBackMessage): string =>
  `Holding back ${namely(message)}: the broker refused it for now (${reasonOf(message.code)}). It is tried again until the broker takes it`

const namely = ({ direction, topic }: Pick<HeldBackMessage, "direction" | "topic">): string =>
  `${direction === "outbound" ? "cloud" : "local"}-bound message on topic ${quoted(topic)}`

const reasonOf = (code: number): string => reasons[code] ?? `reason code ${code}`

/** MQTT 5.0, table 3-4. */
const reasons: Readonly<Record<number, string>> = {
  128: "unspecified error",
  131: "implementation specific error",
  135: "not authorised",
  144: "topic name invalid",
  149: "packet too large: max_packet_size of the broker",
  151: "quota exceeded",
  153: "payload format invalid"
}
