/**
 * Wrong PINs of the signing service's clients, counted by user id: a PIN cannot be found by guessing.
 *
 * After three wrong ones, found wrong by the token or the service, the client's PINs are refused for a time
 * without checking them: 1 min, and after each further wrong one 2, 4 … 60 min. A right one resets the count, and
 * so does the removal of the file (`tedge hsm clear-pin-latch`), which is checked again for each client that has any.
 * Requests without a PIN are not affected.
 */
import { Effect, Semaphore } from "effect"
import type { ClientId, CryptokiEvent } from "../../../messages/cryptoki.ts"
import { PinRejected } from "../../../messages/token-refusals.ts"
import { type BootMoment, bootMomentNow } from "../../../platform/process/boot-time.ts"
import { dateIn } from "../../../runtime/primitives/wall-time.ts"
import { isComparable } from "./latch-record.ts"
import type { LatchStore } from "./latch-store.ts"
import type { LatchedToken } from "./latched-token.ts"

export interface ClientPins {
  /** Whether the PIN is the one the token is open with; counted, and not checked while the client is paused. */
  readonly compare: (token: LatchedToken, client: ClientId, isSame: () => boolean) => Effect.Effect<void, PinRejected>
  /** Refuses while the client's PINs are not checked. */
  readonly admit: (token: LatchedToken, client: ClientId) => Effect.Effect<void, PinRejected>
  readonly wrong: (token: LatchedToken, client: ClientId) => Effect.Effect<void>
  readonly right: (token: LatchedToken, client: ClientId) => Effect.Effect<void>
}

export const makeClientPins = (
  store: LatchStore,
  publish: (event: CryptokiEvent) => Effect.Effect<void>
): ClientPins => {
  const known = new Map<string, ClientCounts>()
  // Parallel requests get no more attempts than the same number in sequence.
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
  /** Most clients send no wrong PINs, and need no access to a file or a clock. */
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
        // Pauses of another boot restart: once, not at each check.
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

interface ClientCount {
  readonly wrong: number
  /** Number of pauses. */
  readonly pauses: number
  /** Start of the last pause. */
  readonly since: BootMoment
}

/** By user id. */
export type ClientCounts = ReadonlyMap<string, ClientCount>

/** How long the client's PINs are not checked, in milliseconds; 0: they are checked. */
export const pauseLeft = (counts: ClientCounts, client: string, now: BootMoment): number => {
  const count = counts.get(placeOf(counts, client))
  if (count === undefined || count.pauses === 0) return 0
  return Math.max(0, pauseOf(count.pauses) - (now.bootMs - count.since.bootMs))
}

const isKnown = (counts: ClientCounts, client: string): boolean => counts.has(placeOf(counts, client))

/** `pausedMs`: the pause that starts with this one. */
export const afterWrong = (
  counts: ClientCounts,
  client: string,
  now: BootMoment
): { readonly counts: ClientCounts; readonly pausedMs: number | undefined } => {
  const place = placeOf(counts, client)
  const before = counts.get(place) ?? { wrong: 0, pauses: 0, since: now }
  const wrong = before.wrong + 1
  const pauses = wrong >= freeWrongPins ? before.pauses + 1 : before.pauses
  return {
    counts: new Map(counts).set(place, { wrong, pauses, since: now }),
    pausedMs: pauses > before.pauses ? pauseOf(pauses) : undefined
  }
}

/** Undefined: nothing changes. */
export const afterRight = (counts: ClientCounts, client: string): ClientCounts | undefined => {
  if (!counts.has(client)) return undefined
  const left = new Map(counts)
  left.delete(client)
  return left
}

export const printCounts = (counts: ClientCounts): string =>
  JSON.stringify({ version: 1, clients: Object.fromEntries(counts) })

/** Invalid content counts as none: only we write the file. Pauses of another boot restart. */
export const parseCounts = (text: string | undefined, now: BootMoment): ClientCounts => {
  try {
    const { clients }: { readonly clients?: Readonly<Record<string, ClientCount>> } = JSON.parse(text ?? "{}")
    return new Map(
      Object.entries(clients ?? {}).flatMap(([client, { wrong, pauses, since }]) => {
        if (!Number.isSafeInteger(wrong) || !Number.isSafeInteger(pauses)) return []
        return [[client, { wrong, pauses, since: isComparable(since, now) ? since : now }] as const]
      })
    )
  } catch {
    return new Map()
  }
}

/** Beyond this number of users, the others share one count: a user may have any number of ids. */
const placeOf = (counts: ClientCounts, client: string): string =>
  counts.has(client) || counts.size < mostClients ? client : others

const pauseOf = (pauses: number): number => Math.min(60_000 * 2 ** (pauses - 1), longestPauseMs)

const freeWrongPins = 3
const longestPauseMs = 3_600_000
const mostClients = 64
const others = "others"
