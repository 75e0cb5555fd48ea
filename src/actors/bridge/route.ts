/** The route of a message: the first matching rule decides, as in thin-edge's bridge. */
import type { BridgeRule, CloudRule } from "../../messages/bridge.ts"
import { BoundedMap } from "../../runtime/primitives/bounded-map.ts"
import { isTopic, matchesFilter } from "./rules.ts"

export type Direction = BridgeRule["direction"]

/** The topic on the other side; undefined: no rule, or nothing left of the topic below the prefix. */
export const targetTopic = (
  rules: ReadonlyArray<BridgeRule>,
  direction: Direction,
  topic: string
): string | undefined => {
  const rule = rules.find((one) => one.direction === direction && matchesFilter(one.filter, topic))
  if (rule === undefined || !topic.startsWith(rule.strip)) return undefined
  const target = rule.add + topic.slice(rule.strip.length)
  return target === "" ? undefined : target
}

export interface Route {
  readonly topic: string
  /** False: not a valid topic to publish on. */
  readonly isTopic: boolean
  /** Whether the broker returns it to us, and we would forward it to its source. */
  readonly comesBack: boolean
  /** Reason for which the other side would refuse it. */
  readonly against: CloudRule | undefined
}

/** The routes of one direction, cached: devices use the same few topics again and again. */
export class RouteCache {
  private readonly rules: ReadonlyArray<BridgeRule>
  private readonly direction: Direction
  private readonly against: (topic: string) => CloudRule | undefined
  private readonly known = new BoundedMap<string, Route | undefined>(500)

  constructor(
    rules: ReadonlyArray<BridgeRule>,
    direction: Direction,
    against: (topic: string) => CloudRule | undefined = () => undefined
  ) {
    this.rules = rules
    this.direction = direction
    this.against = against
  }

  of(from: string): Route | undefined {
    const known = this.known.get(from)
    if (known !== undefined || this.known.has(from)) return known
    const route = this.find(from)
    this.known.set(from, route)
    return route
  }

  private find(from: string): Route | undefined {
    const { rules, direction } = this
    const topic = targetTopic(rules, direction, from)
    if (topic === undefined) return undefined
    const back = targetTopic(rules, direction === "outbound" ? "inbound" : "outbound", topic)
    const comesBack = back !== undefined && targetTopic(rules, direction, back) === topic
    return { topic, isTopic: isTopic(topic), comesBack, against: this.against(topic) }
  }
}

/** Subscriptions on the side where messages of this direction come from. */
export const filtersOf = (rules: ReadonlyArray<BridgeRule>, direction: Direction): ReadonlyArray<string> => [
  ...new Set(rules.filter((rule) => rule.direction === direction).map((rule) => rule.filter))
]
