/**
 * Time limits that adapt to the measured time of a token's read calls.
 *
 * A fixed limit breaks tokens that are merely slow (a search on OP-TEE with many keys, a card behind a busy reader): the
 * host is killed at each attempt, and the token never works. So the limit is five times the slowest success, and doubles
 * after a timeout; at least the configured one, at most two minutes.
 */
import { Effect } from "effect"
import { BoundedMap } from "../../../runtime/primitives/bounded-map.ts"
import { monotonicMs } from "../../../runtime/primitives/monotonic-time.ts"
import { isCard } from "../pkcs11/quirks.ts"
import type { LibraryFacts } from "../pkcs11/values.ts"
import type { StartFault } from "./faults.ts"
import type { HostRequestName, HostRequests } from "./protocol.ts"

/** Read-only calls without user interaction: their duration is the token's own. */
export const readCalls: ReadonlySet<HostRequestName> = new Set([
  "tokens",
  "open",
  "close",
  "objects",
  "exists",
  "hasCertificate",
  "certificates",
  "check",
  "material"
])

/** A call of a host, whose limit is to be determined. */
interface ReadCall {
  readonly library: LibraryFacts
  readonly name: HostRequestName
  readonly asked: HostRequests[HostRequestName]["asked"]
  readonly leastMs: number
}

/** Runs a read call with the learned limit; shared by the hosts of one module. */
export type AdaptiveLimits = <A>(
  read: ReadCall,
  call: (limitMs: number) => Effect.Effect<A, StartFault>
) => Effect.Effect<A, StartFault>

export const adaptiveLimits = (): AdaptiveLimits => {
  const known = new BoundedMap<string, AdaptiveTimeout>(mostKnown)
  const cards = new Set<string>()
  return ({ library, name, asked, leastMs }, call) => {
    const slot = "slot" in asked ? asked.slot : ""
    const place = `${name} ${slot}`
    const mayBeHeld = cards.has(slot) || isCard(library)
    const timeout = known.get(place) ?? adaptiveTimeout(mayBeHeld ? Math.max(leastMs, heldCardMs) : leastMs)
    known.set(place, timeout)
    return Effect.clockWith((clock) => {
      const limitMs = timeout.limitMs()
      const startedMs = monotonicMs(clock)
      return call(limitMs).pipe(
        Effect.tap((answer) =>
          Effect.sync(() => {
            timeout.answered(monotonicMs(clock) - startedMs)
            if (name !== "tokens") return
            cards.clear()
            // The response has the type of its request.
            for (const token of answer as HostRequests["tokens"]["answer"])
              if (isCard(library, token)) cards.add(token.slot)
          })
        ),
        Effect.tapError(({ _tag }) =>
          Effect.sync(() => {
            if (_tag === "CallTimedOut") timeout.ranOut(limitMs)
          })
        )
      )
    })
  }
}

/**
 * Waits for a card that another program uses: a killed host takes seconds to load again. Shorter than the time limit of
 * a client of the signing service.
 */
const heldCardMs = 45_000
/** Slots come and go with readers. */
const mostKnown = 512

interface AdaptiveTimeout {
  /** Milliseconds the next call may take. */
  readonly limitMs: () => number
  /** The call returned, with success or not. */
  readonly answered: (afterMs: number) => void
  /** The call did not return within its limit. */
  readonly ranOut: (limitMs: number) => void
}

export const adaptiveTimeout = (leastMs: number): AdaptiveTimeout => {
  let slowestMs = 0
  let neededMs = 0
  return {
    limitMs: () => Math.max(leastMs, Math.min(mostMs, Math.max(slowestMs * factor, neededMs))),
    answered: (afterMs) => {
      slowestMs = Math.max(slowestMs, afterMs)
    },
    ranOut: (limitMs) => {
      neededMs = Math.max(neededMs, limitMs * 2)
    }
  }
}

const factor = 5
const mostMs = 120_000
