/** Log lines of the bridge. Source: thin-edge, built-in bridge (the first words of the line). */
import type { DroppedMessage } from "../bridge.ts"
import { quoted } from "./explanation.ts"

export const explainDropped = (dropped: DroppedMessage): string => {
  const start = `Dropping ${dropped.direction === "outbound" ? "cloud" : "local"}-bound message on topic ${quoted(dropped.topic)}`
  return dropped.reason === "tooLarge"
    ? `${start}: its ${dropped.size} bytes are more than the ${dropped.limit} the cloud takes (${dropped.setting})`
    : `${start}: '${quoted(dropped.target)}' is no topic to publish on`
}
