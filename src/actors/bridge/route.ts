/** Where a message goes: the first rule that matches decides, as in thin-edge's bridge. */
import type { BridgeRule } from "../../messages/bridge.ts"
import { matchesFilter } from "./topic-filter.ts"

export type Direction = BridgeRule["direction"]

export const opposite = (direction: Direction): Direction => (direction === "outbound" ? "inbound" : "outbound")

/** The topic on the other side; undefined: no rule, or the topic has no part below the prefix. */
export const route = (rules: ReadonlyArray<BridgeRule>, direction: Direction, topic: string): string | undefined => {
  const rule = rules.find((one) => one.direction === direction && matchesFilter(one.filter, topic))
  if (rule === undefined || !topic.startsWith(rule.strip)) return undefined
  const target = rule.add + topic.slice(rule.strip.length)
  return target === "" ? undefined : target
}

/** What to subscribe to on the side where messages of this direction come from. */
export const filtersOf = (rules: ReadonlyArray<BridgeRule>, direction: Direction): ReadonlyArray<string> => [
  ...new Set(rules.filter((rule) => rule.direction === direction).map((rule) => rule.filter))
]
