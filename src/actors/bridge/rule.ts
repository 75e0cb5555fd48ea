/** How the tables of rules are written: the topic's common part, and what stands before it on either side. */
import type { BridgeRule } from "../../messages/bridge.ts"

export interface Prefixes {
  readonly local: string
  readonly remote: string
}

export const outbound = ({ local, remote }: Prefixes, topic: string): BridgeRule => ({
  direction: "outbound",
  filter: local + topic,
  strip: local,
  add: remote
})

export const inbound = ({ local, remote }: Prefixes, topic: string): BridgeRule => ({
  direction: "inbound",
  filter: remote + topic,
  strip: remote,
  add: local
})
