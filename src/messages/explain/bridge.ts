/** Log lines of the bridge. Source: thin-edge, built-in bridge (the first words of the line). */
import type { CloudRule, DroppedMessage, HeldBackMessage } from "../bridge.ts"
import { quoted } from "./explanation.ts"
import { reasonCodeName } from "./reason-code.ts"

export const explainDropped = (dropped: DroppedMessage): string => {
  const start = `Dropping ${namely(dropped)}`
  switch (dropped.reason) {
    case "tooLarge":
      return `${start}: its ${dropped.size} bytes exceed the limit of ${dropped.limit} (${dropped.setting})`
    case "invalidTopic":
      return `${start}: '${quoted(dropped.target)}' is not a valid topic to publish on`
    case "againstRule":
      return `${start}: ${againstRule(dropped.rule)}`
    case "refused":
      return `${start}: the broker refused it (${reasonCodeName(dropped.code)})`
  }
}

const againstRule = (rule: CloudRule): string => {
  switch (rule.kind) {
    case "levels":
      return `its topic in the cloud has ${rule.levels} levels; the limit is ${rule.limit}`
    case "topicBytes":
      return `its topic in the cloud has ${rule.bytes} bytes; the limit is ${rule.limit}`
    case "reserved":
      return `'${quoted(rule.target)}' is reserved; the cloud accepts only ${rule.allowed}`
  }
}

export const explainHeldBack = (message: HeldBackMessage): string =>
  message.code === undefined
    ? `Holding back ${namely(message)}: the broker closed three connections in a row on it. Other messages continue; it is retried alone, after pauses of up to an hour`
    : `Holding back ${namely(message)}: the broker refused it temporarily (${reasonCodeName(message.code)}). It is retried until the broker accepts it`

const namely = ({ direction, topic }: Pick<HeldBackMessage, "direction" | "topic">): string =>
  `${direction === "outbound" ? "cloud" : "local"}-bound message on topic ${quoted(topic)}`

/** Azure responds to requests with HTTP status codes. */
export const explainRequestRefused = (status: number): string => {
  const known = requestStatus[status]
  return `the cloud answers the request for the device twin with ${status}${known === undefined ? "" : `: ${known}`}`
}

const requestStatus: Readonly<Record<number, string>> = {
  400: "the request is malformed",
  401: "this device is not authorised for it; check in the IoT hub that it is enabled and its credentials are these",
  403: "the device is not allowed to, or a quota of the IoT hub is used up",
  404: "there is no device twin; check that the device is registered, and that the tier of the IoT hub has twins (basic tiers have none)",
  429: "too many requests for the tier of the IoT hub; try again later, or see az.bridge.publish_rate",
  500: "internal error of the IoT hub; try again later",
  503: "the IoT hub is busy; try again later"
}
