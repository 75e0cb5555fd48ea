/** Topics of Azure IoT Hub. Source: thin-edge, built-in bridge rules for az. */
import type { BridgeRule } from "../../messages/bridge.ts"
import { inbound, outbound } from "./rule.ts"

export const rulesForAzure = (topicPrefix: string, deviceId: string): ReadonlyArray<BridgeRule> => {
  const device = { local: `${topicPrefix}/`, remote: `devices/${deviceId}/` }
  const hub = { local: `${topicPrefix}/`, remote: "$iothub/" }
  return [
    outbound(device, "messages/events/#"),
    inbound(device, "messages/devicebound/#"),
    outbound(hub, "methods/res/#"),
    inbound(hub, "methods/POST/#"),
    outbound(hub, "twin/GET/#"),
    outbound(hub, "twin/PATCH/#"),
    inbound(hub, "twin/res/#")
  ]
}

/** Filters on either side without which the connection is of no use. */
export const neededForAzure = (topicPrefix: string, deviceId: string): ReadonlyArray<string> => [
  `${topicPrefix}/messages/events/#`,
  `devices/${deviceId}/messages/devicebound/#`
]
