/** Topics of AWS IoT Core. Source: thin-edge, built-in bridge rules for aws. */
import type { BridgeRule } from "../../messages/bridge.ts"
import { inbound, outbound } from "./rule.ts"

export const rulesForAws = (topicPrefix: string, deviceId: string): ReadonlyArray<BridgeRule> => {
  const thing = { local: `${topicPrefix}/`, remote: `thinedge/${deviceId}/` }
  const shadow = { local: `${topicPrefix}/`, remote: `$aws/things/${deviceId}/` }
  const check = `thinedge/devices/${deviceId}/test-connection`
  return [
    outbound(thing, "td/#"),
    inbound(thing, "cmd/#"),
    outbound(shadow, "shadow/#"),
    inbound(shadow, "shadow/#"),
    // The device hears itself: that is how the connection is checked.
    outbound({ local: `${topicPrefix}/test-connection`, remote: check }, ""),
    inbound({ local: `${topicPrefix}/connection-success`, remote: check }, "")
  ]
}

/** Filters on either side without which the connection is of no use. */
export const neededForAws = (topicPrefix: string, deviceId: string): ReadonlyArray<string> => [
  `${topicPrefix}/td/#`,
  `thinedge/${deviceId}/cmd/#`
]
