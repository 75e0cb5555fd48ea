/**
 * Devices that lose their cloud in the same second, and come back when it does: the real back-off code, seeded chance.
 *
 * Each attempt fails at once while the cloud is away: the worst case, as nothing else spreads the attempts.
 */
import { afterFailure, type BackOffSettings, noFailures } from "../../../../src/actors/mqtt/link/back-off.ts"

/** The defaults of `mqtt.bridge.reconnect_policy`. */
export const defaults: BackOffSettings = { initialMs: 5_000, maximumMs: 600_000, resetAfterMs: 300_000 }

export interface Return {
  /** Connections in the busiest second after the cloud is back. */
  readonly busiestSecond: number
  /** Seconds until all are connected. */
  readonly lastAfterS: number
}

export const returnAfter = (devices: number, outageS: number, settings = defaults, seed = 1): Return => {
  const random = chance(seed)
  const perSecond = new Map<number, number>()
  const outageMs = outageS * 1_000
  for (let device = 0; device < devices; device++) {
    // It was established, and held for long.
    let state = afterFailure(settings, noFailures, { heldMs: settings.resetAfterMs, retryTrigger: "time" }, random())
    let at = state.waitMs
    while (at < outageMs) {
      state = afterFailure(settings, state, { heldMs: 0, retryTrigger: "time" }, random())
      at += state.waitMs
    }
    const second = Math.floor((at - outageMs) / 1_000)
    perSecond.set(second, (perSecond.get(second) ?? 0) + 1)
  }
  return { busiestSecond: Math.max(...perSecond.values()), lastAfterS: Math.max(...perSecond.keys()) + 1 }
}

/** mulberry32: small, and the same everywhere. */
const chance = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
