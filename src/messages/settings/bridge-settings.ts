/** Settings of the built-in bridge that thin-edge does not have. */
import type { Setting } from "./setting.ts"
import { boolean, keepAlive } from "./setting-types.ts"

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
    doc: "Ask Cumulocity for pending operations (500 on s/us) after each connection.",
    examples: ["false"]
  }
]
