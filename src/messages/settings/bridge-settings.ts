/** Settings of the built-in bridge that thin-edge does not have. */
import type { Setting } from "./setting.ts"
import { boolean, keepAlive, publishRate } from "./setting-types.ts"

export const bridgeSettings: ReadonlyArray<Setting> = [
  {
    key: "mqtt.bridge.keepalive_interval",
    type: keepAlive,
    default: "12s",
    doc: "Keep-alive of the bridge's connections to the local broker: a dead one is noticed after one and a half times as long. A shorter keepalive_interval of the cloud counts here, too.",
    examples: ["30s"]
  },
  {
    key: "mqtt.bridge.tls_resumption",
    type: boolean,
    default: "true",
    doc: "Let the mapper resume its TLS 1.3 session with the cloud when it reconnects, without a signature of the key. The key was then used at most 24 hours before. Commands never resume.",
    examples: ["false"]
  },
  {
    key: "c8y.bridge.ask_for_operations",
    type: boolean,
    default: "true",
    doc: "Ask Cumulocity for pending operations (500 on s/us) after each connection, unless thin-edge's own mapper runs beside this one.",
    examples: ["false"]
  },
  {
    key: "aws.bridge.publish_rate",
    type: publishRate,
    default: "100",
    doc: "Most messages a second that the bridge sends to AWS IoT; 0 is no limit. AWS IoT takes 100 a second on a connection unless the quota of the account was raised, and silently discards the rest.",
    examples: ["100"]
  },
  {
    key: "az.bridge.publish_rate",
    type: publishRate,
    default: "100",
    doc: "Most messages a second that the bridge sends to Azure IoT; 0 is no limit. What an IoT hub takes depends on its tier and is shared by all its devices: 100 a second in F1, B1 and S1 (12 for each unit, where that is more), 120 for each unit in B2 and S2, 6,000 for each unit in B3 and S3.",
    examples: ["500"]
  }
]
