/** Log lines of the bridge. Source: thin-edge, built-in bridge (the first words of the line). */
import type { CloudRule, DroppedMessage, HeldBackMessage } from "../bridge.ts"
import { quoted } from "./explanation.ts"
import { reasonCodeName } from "./reason-code.ts"

export const explainDropped = (dropped: DroppedMessage): string => {
  const start = `Dropping ${namely(dropped)}`
  switch (dropped.reason) {
    case "tooLarge":
      return `${start}: its ${dropped.size} bytes are more than the ${dropped.limit} the cloud takes (${dropped.setting})`
    case "invalidTopic":
      return `${start}: '${quoted(dropped.target)}' is no topic to publish on`
    case "againstRule":
      return `${start}: ${againstRule(dropped.rule)}`
    case "refused":
      return `${start}: the broker refused it (${reasonCodeName(dropped.code)})`
  }
}

const againstRule = (rule: CloudRule): string => {
  switch (rule.kind) {
    case "levels":
      return `in the cloud its topic has ${rule.levels} levels, and the cloud takes ${rule.limit}`
    case "topicBytes":
      return `in the cloud its topic has ${rule.bytes} bytes, and the cloud takes ${rule.limit}`
    case "reserved":
      return `'${quoted(rule.target)}' is reserved, and the cloud takes there only ${rule.allowed}`
  }
}

export const explainHeldBack = (message: HeldBackMessage): string =>
  message.code === undefined
    ? `Holding back ${namely(message)}: the broker ended three connections in a row at it. The others go on; it is tried again, alone, after pauses of up to an hour`
    : `Holding back ${namely(message)}: the broker refused it for now (${reasonCodeName(message.code)}). It is tried again until the broker takes it`

const namely = ({ direction, topic }: Pick<HeldBackMessage, "direction" | "topic">): string =>
  `${direction === "outbound" ? "cloud" : "local"}-bound message on topic ${quoted(topic)}`

/** Azure answers requests with the statuses of HTTP. */
export const explainRequestRefused = (status: number): string => {
  const known = requestStatus[status]
  return `the cloud answers the request for the device twin with ${status}${known === undefined ? "" : `: ${known}`}`
}

const requestStatus: Readonly<Record<number, string>> = {
  400: "it finds the request malformed",
  401: "this device is not authorised for it; check in the IoT hub that it is enabled and its credentials are these",
  403: "the device is not allowed to, or a quota of the IoT hub is used up",
  404: "there is no device twin; check that the device is registered, and that the tier of the IoT hub has twins (basic tiers have none)",
  429: "too many requests for the tier of the IoT hub; try again later, or see az.bridge.publish_rate",
  500: "an error of the IoT hub's own; try again later",
  503: "the IoT hub is busy; try again later"
}
