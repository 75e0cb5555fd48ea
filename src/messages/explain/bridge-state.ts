/** One line on why a bridge is down or impaired. */
import type { ParkedActor } from "../bridge.ts"
import type { LinkStatus, Side } from "../mqtt.ts"
import { explainMqtt, refusedFilter } from "./mqtt.ts"

interface BridgeState {
  readonly health: "up" | "down"
  readonly local: LinkStatus
  readonly cloud: LinkStatus
}

/**
 * Empty: no fault. Undefined: connecting; an earlier fault may persist. `next`: when the next attempt is made,
 * as text.
 */
export const explainBridgeState = (
  { health, local, cloud }: BridgeState,
  next: (retryInMs: number) => string
): string | undefined => {
  const sides = [["local", local] as const, ["cloud", cloud] as const]
  if (health === "up") return sides.flatMap(([side, status]) => faultsOf(side, status)).join("; ")
  for (const [side, status] of sides) {
    if (status._tag !== "Down") continue
    const { error, hint } = explainMqtt(status.failure)
    const line = `${side}: ${error} (next attempt ${next(status.retryInMs)})`
    return hint === undefined ? line : `${line}; ${hint}`
  }
  return undefined
}

/** `at`: formats a time, in milliseconds since 1970. */
export const explainParked = ({ actor, nextTryAt }: ParkedActor, at: (ms: number) => string): string =>
  `${actor} is parked after repeated failures${nextTryAt === undefined ? "" : `, next try at ${at(nextTryAt)}`}`

/** The bridge works, except for these. */
const faultsOf = (side: Side, status: LinkStatus): ReadonlyArray<string> =>
  status._tag !== "Up" || status.faults.length === 0
    ? []
    : [`${side}: the broker does not grant the subscription to ${status.faults.map(refusedFilter).join(", ")}`]
