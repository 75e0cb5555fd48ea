/**
 * What is retried on a token, how often, and with which delay. Faults are distinguished by their code.
 *
 *   fault                                  remedy        the request is repeated
 *   the host may know an older PIN         a new host    before it has begun
 *   the service stopped the host under it  a new host    twice
 *   a fault of the session                 a new session once, then as the next
 *   a fault of the device or its module    a new host    once, unless the call used all of its time limit
 *   no such key, and the host is not new   a new host    once per URI, and rarely
 *   a refusal                              none          never
 *
 * A request waits for three attempts to start a host; only for the next one, once the token has been gone for longer. The effects
 * are in with-connection.ts (requests) and reconnector.ts (hosts). A token that was never seen is listed again by ../router.ts.
 */
import type { TokenRefusal } from "../../../messages/token-refusals.ts"
import { type HostFault, refusalOn } from "../host/faults.ts"
import { codeName, faultClass } from "../pkcs11/return-codes.ts"
import type { Token } from "../pkcs11/token-facts.ts"

/** How often each kind of fault is retried. `replaced`: the service stopped the host for another request. */
export interface Chances {
  readonly session: number
  readonly host: number
  readonly replaced: number
}

export const allChances: Chances = { session: 1, host: 1, replaced: 2 }

export type Remedy = "none" | "session" | "host"

/** The situation of a request. */
interface Circumstances {
  readonly chances: Chances
  /** Another request got a new session meanwhile, so the fault concerns the old one. */
  readonly hasNewSession: boolean
  /** Nothing has succeeded since the session was replaced. */
  readonly isDoubted: boolean
  /** Time limit of a signature. */
  readonly signMs: number
}

/** The remedy for a fault, and the remaining retries of the request; undefined: it is not retried. */
export const afterFault = (
  fault: HostFault,
  { chances, hasNewSession, isDoubted, signMs }: Circumstances
): { readonly remedy: Remedy; readonly left: Chances | undefined } => {
  const isOurs = fault._tag === "HostEnded" || (fault._tag === "HostDied" && fault.forAnother === true)
  if (isOurs && chances.replaced > 0) return { remedy: "host", left: { ...chances, replaced: chances.replaced - 1 } }
  const remedy = remedyFor(fault)
  if (remedy === "none") return { remedy, left: undefined }
  if (remedy === "session" && chances.session > 0) {
    const left = { ...chances, session: chances.session - 1 }
    if (hasNewSession) return { remedy: "none", left }
    if (!isDoubted) return { remedy, left }
  }
  // A signature with a shorter limit hung on a token that normally answers at once: it costs little to make it again.
  const isHung = fault._tag === "CallTimedOut" && fault.afterMs >= (fault.call === "sign" ? signMs : 0)
  const mayRepeat = chances.host > 0 && !isHung
  return { remedy: "host", left: mayRepeat ? { ...chances, session: 0, host: chances.host - 1 } : undefined }
}

export const remedyFor = (fault: HostFault): Remedy => {
  if (fault._tag !== "CallRefused") return "host"
  const kind = faultClass(fault.code)
  if (kind === "session") return "session"
  return kind === "device" ? "host" : "none"
}

/** Why a host is replaced. `removed`: the module reported that the token is missing. `stale`: nothing broke, a new host may see more. */
export interface HostReplacement {
  readonly kind: "broken" | "removed" | "stale"
  readonly refusal: TokenRefusal
  readonly reason: string
}

export const replacementFor = (fault: HostFault, token: Token): HostReplacement => {
  const code = fault._tag === "CallRefused" ? codeName(fault.code) : undefined
  const kind = code !== undefined && removedCodes.includes(code) ? "removed" : "broken"
  return {
    kind: fault._tag === "HostEnded" ? "stale" : kind,
    refusal: refusalOn(fault, token),
    reason: code === undefined ? `${fault._tag} in ${fault.call}` : `${fault.call}: ${code}`
  }
}

const removedCodes = ["CKR_DEVICE_REMOVED", "CKR_TOKEN_NOT_PRESENT", "CKR_SLOT_ID_INVALID"]

/** How many attempts to start a host a request waits for, after so many failures. */
export const attemptsAwaited = (failures: number): number => (failures <= 1 ? 3 : 1)

/** Delay before the attempt that follows so many failures, in milliseconds. */
export const delayAfter = (failures: number): number => [0, 0, 1000, 2000][failures] ?? 4000

/** The losses that count at this time: those of the last minute. */
export const recentLosses = (losses: ReadonlyArray<number>, now: number) => losses.filter((at) => now - at < 60_000)

/** A token that alternates between working and breaking waits longer each time, too: two hosts per minute are free. */
export const failuresLeft = (recent: ReadonlyArray<number>): number => Math.max(0, recent.length - 2)

/**
 * Modules read some tokens only when they are loaded, so only a new host sees a key that another process created. Not for a host
 * younger than `hostMs`; and rarely: a missing key must not wear out a reader.
 */
export const refreshForKey = { hostMs: 2000, pauseMs: 30_000 }
