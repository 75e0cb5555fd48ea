/** Log lines of the bridge. Source: thin-edge, built-in bridge (the first words of the line). */
import type { DroppedMessage, HeldBackMessage } from "../bridge.ts"
import { quoted } from "./explanation.ts"
import { reasonCodeName } from "./reason-code.ts"

export const explainDropped = (dropped: DroppedMessage): string => {
  const start = `Dropping ${namely(dropped)}`
  switch (dropped.reason) {
    case "tooLarge":
      return `${start}: its ${dropped.size} bytes are more than the ${dropped.limit} the cloud takes (${dropped.setting})`
    case "invalidTopic":
      return `${start}: '${quoted(dropped.target)}' is no topic to publish on`
    case "refused":
      return `${start}: the broker refused it (${reasonCodeName(dropped.code)})`
  }
}

export const explainHeldBack = (message: HeldBackMessage): string =>
  message.code === undefined
    ? `Holding back ${namely(message)}: the broker ended three connections in a row at it. The others go on; it is tried again, alone, after pauses of up to an hour`
    : `Holding back ${namely(message)}: the broker refused it for now (${reasonCodeName(message.code)}). It is tried again until the broker takes it`

const namely = ({ direction, topic }: Pick<HeldBackMessage, "direction" | "topic">): string =>
  `${direction === "outbound" ? "cloud" : "local"}-bound message on topic ${quoted(topic)}`
