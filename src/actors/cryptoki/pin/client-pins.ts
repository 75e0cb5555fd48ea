/**
 * Wrong PINs of the signing service's clients, counted by user id: nobody finds a PIN by trying.
 *
 * Three wrong ones, whether the token or the service found them wrong; then the client's PINs are refused for a time
 * without a look at them, 1 min, and after each further wrong one 2, 4 … 60 min. A right one starts the count again, and
 * so does the removal of the file (`tedge hsm clear-pin-latch`). Requests without a PIN are not concerned.
 */
import type { BootMoment } from "../../../platform/process/boot-time.ts"
import { isComparable } from "./latch-moment.ts"

export interface ClientCount {
  readonly wrong: number
  /** How many pauses there were. */
  readonly pauses: number
  /** When the last pause began. */
  readonly since: BootMoment
}

/** By user id. */
export type ClientCounts = ReadonlyMap<string, ClientCount>

/** How long the client's PINs are not looked at, in milliseconds; 0: they are. */
export const pauseLeft = (counts: ClientCounts, client: string, now: BootMoment): number => {
  const count = counts.get(placeOf(counts, client))
  if (count === undefined || count.pauses === 0) return 0
  return Math.max(0, pauseOf(count.pauses) - (now.bootMs - count.since.bootMs))
}

export const isKnown = (counts: ClientCounts, client: string): boolean => counts.has(placeOf(counts, client))

/** `pausedMs`: the pause that begins with this one. */
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

/** What cannot be understood is taken for none: the file is ours alone. Pauses of another boot start anew. */
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

/** Whoever comes after so many has one count with all the others: user ids may be had in any number. */
const placeOf = (counts: ClientCounts, client: string): string =>
  counts.has(client) || counts.size < mostClients ? client : others

const pauseOf = (pauses: number): number => Math.min(60_000 * 2 ** (pauses - 1), longestPauseMs)

const freeWrongPins = 3
const longestPauseMs = 3_600_000
const mostClients = 64
const others = "others"
