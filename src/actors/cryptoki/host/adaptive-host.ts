/**
 * A token host whose time limits adapt to the measured time of the token's read calls.
 *
 * A fixed limit breaks tokens that are merely slow (a search on OP-TEE with many keys, a card behind a busy reader): the
 * host is killed at each try, and the token never works. So the limit is five times the slowest success, and doubles
 * after a call that ran out of it; at least what the settings say, at most two minutes.
 */
import { Effect } from "effect"
import { BoundedMap } from "../../../runtime/primitives/bounded-map.ts"
import { monotonicMs } from "../../../runtime/primitives/monotonic-time.ts"
import { isCard } from "../pkcs11/quirks.ts"
import type { LibraryFacts } from "../pkcs11/values.ts"
import type { TokenHost } from "./host-client.ts"
import type { StartHost } from "./hosts.ts"
import type { HostRequestName, HostRequests } from "./protocol.ts"

/** What is known is kept across the hosts of one module. */
export const withAdaptiveTimeouts = (start: StartHost): StartHost => {
  const wrapped = adaptiveHosts()
  return (settings) => Effect.map(start(settings), wrapped)
}

const adaptiveHosts = (): ((host: TokenHost) => TokenHost) => {
  const known = new BoundedMap<string, AdaptiveTimeout>(mostKnown)
  const cards = new Set<string>()
  const timeoutOf = (name: HostRequestName, slot: string, leastMs: number): AdaptiveTimeout => {
    const place = `${name} ${slot}`
    const timeout = known.get(place) ?? adaptiveTimeout(leastMs)
    known.set(place, timeout)
    return timeout
  }
  const noteCards = (tokens: HostRequests["tokens"]["answer"], library: LibraryFacts) => {
    cards.clear()
    for (const token of tokens) if (isCard(library, token)) cards.add(token.slot)
  }
  return (host) => ({
    library: host.library,
    isIdle: host.isIdle,
    call: (name, asked, leastMs) => {
      if (!looks.has(name)) return host.call(name, asked, leastMs)
      const slot = "slot" in asked ? asked.slot : ""
      const mayBeHeld = cards.has(slot) || isCard(host.library)
      const timeout = timeoutOf(name, slot, mayBeHeld ? Math.max(leastMs, heldCardMs) : leastMs)
      return Effect.clockWith((clock) => {
        const limitMs = timeout.limitMs()
        const startedMs = monotonicMs(clock)
        return host.call(name, asked, limitMs).pipe(
          Effect.tap((answer) =>
            Effect.sync(() => {
              timeout.answered(monotonicMs(clock) - startedMs)
              if (name === "tokens") noteCards(answer as HostRequests["tokens"]["answer"], host.library)
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
  })
}

/** Read-only calls without user interaction: their time is the token's own. */
const looks: ReadonlySet<HostRequestName> = new Set([
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

/**
 * A card that another program works on is waited for: a host that is killed takes seconds to load again. Less than who
 * asks the signing service waits.
 */
const heldCardMs = 45_000
/** Slots come and go with readers. */
const mostKnown = 512

interface AdaptiveTimeout {
  /** Milliseconds the next call may take. */
  readonly limitMs: () => number
  /** The call was answered, with success or not. */
  readonly answered: (afterMs: number) => void
  /** The call was not answered within its limit. */
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
