/**
 * Keeps the counts of `client-pins.ts`, in memory and on disk, and looks at the disk again for each client that has any:
 * the file may have been removed by `tedge hsm clear-pin-latch`.
 */
import { Effect, Semaphore } from "effect"
import type { ClientId, CryptokiEvent } from "../../../messages/cryptoki.ts"
import { PinRejected } from "../../../messages/token-refusals.ts"
import { type BootMoment, bootMomentNow } from "../../../platform/process/boot-time.ts"
import { dateIn } from "../../../runtime/primitives/wall-time.ts"
import {
  afterRight,
  afterWrong,
  type ClientCounts,
  isKnown,
  parseCounts,
  pauseLeft,
  printCounts
} from "./client-pins.ts"
import type { LatchStore } from "./latch-store.ts"
import type { LatchedToken } from "./latched-token.ts"

export interface ClientPins {
  /** Whether the PIN is the one the token is open with; counted, and not looked at while the client is paused. */
  readonly compare: (token: LatchedToken, client: ClientId, isSame: () => boolean) => Effect.Effect<void, PinRejected>
  /** Refuses while the client's PINs are not looked at. */
  readonly admit: (token: LatchedToken, client: ClientId) => Effect.Effect<void, PinRejected>
  readonly wrong: (token: LatchedToken, client: ClientId) => Effect.Effect<void>
  readonly right: (token: LatchedToken, client: ClientId) => Effect.Effect<void>
}

export const makeClientPins = (
  store: LatchStore,
  publish: (event: CryptokiEvent) => Effect.Effect<void>
): ClientPins => {
  const known = new Map<string, ClientCounts>()
  // Many requests at once have no more tries than as many one after the other.
  const comparing = Semaphore.makeUnsafe(1)
  const read = ({ identity }: LatchedToken, now: BootMoment) =>
    Effect.map(store.read(identity, "clients"), (text) => {
      const counts = parseCounts(text, now)
      known.set(identity, counts)
      return counts
    })
  const counts = (token: LatchedToken, client: ClientId, now: BootMoment): Effect.Effect<ClientCounts> => {
    const before = known.get(token.identity)
    return before === undefined || isKnown(before, String(client)) ? read(token, now) : Effect.succeed(before)
  }
  /** Most clients give no wrong PINs, and cost no look at a file or a clock. */
  const isClean = ({ identity }: LatchedToken, client: ClientId): boolean => {
    const before = known.get(identity)
    return before !== undefined && !isKnown(before, String(client))
  }
  const write = ({ identity }: LatchedToken, now: ClientCounts) => {
    known.set(identity, now)
    return store.write(identity, "clients", printCounts(now))
  }
  const pins: Omit<ClientPins, "compare"> = {
    admit: (token, client) =>
      Effect.gen(function* () {
        if (isClean(token, client)) return
        const now = yield* bootMomentNow
        const isFirst = !known.has(token.identity)
        const found = yield* counts(token, client, now)
        // Pauses of another boot have started anew: from now on, and not from each look at them.
        if (isFirst && found.size > 0) yield* write(token, found)
        const forMs = pauseLeft(found, String(client), now)
        if (forMs > 0) return yield* paused(token, forMs)
      }),
    wrong: (token, client) =>
      Effect.gen(function* () {
        const now = yield* bootMomentNow
        const { counts: after, pausedMs } = afterWrong(yield* counts(token, client, now), String(client), now)
        yield* write(token, after)
        if (pausedMs !== undefined)
          yield* publish({ _tag: "ClientPinsPaused", token: token.name, client, forMs: pausedMs })
      }),
    right: (token, client) =>
      Effect.gen(function* () {
        if (isClean(token, client)) return
        const after = afterRight(yield* counts(token, client, yield* bootMomentNow), String(client))
        if (after !== undefined) yield* write(token, after)
      })
  }
  return {
    ...pins,
    compare: (token, client, isSame) =>
      comparing.withPermit(
        Effect.gen(function* () {
          yield* pins.admit(token, client)
          if (isSame()) return yield* pins.right(token, client)
          yield* pins.wrong(token, client)
          return yield* new PinRejected({ token: token.name, reason: "differs" })
        })
      )
  }
}

const paused = ({ name }: LatchedToken, forMs: number): Effect.Effect<never, PinRejected> =>
  Effect.flatMap(dateIn(forMs), (date) =>
    Effect.fail(new PinRejected({ token: name, reason: "paused", until: date.toISOString(), forMs }))
  )
