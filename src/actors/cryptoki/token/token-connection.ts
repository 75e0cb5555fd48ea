/**
 * A token in use: its host, its open session, the login on it, and the keys found so far.
 *
 * With the host all of it is lost; with the session, login and keys.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import { Redacted, Semaphore } from "effect"
import type { Pkcs11Uri } from "../../../messages/pkcs11-uri.ts"
import { FifoSemaphore } from "../../../runtime/primitives/fifo-semaphore.ts"
import type { TokenHost } from "../host/host-client.ts"
import { parallelSigns } from "../host/protocol.ts"
import type { SigningKey } from "../pkcs11/key-facts.ts"
import type { Token } from "../pkcs11/token-facts.ts"
import type { TokenObject } from "../pkcs11/values.ts"

export interface FoundKey {
  readonly object: TokenObject
  /** Token, id and label of the object. */
  readonly uri: Pkcs11Uri
  /** The same for a signature. Where this very value comes back, it is a reference: nothing is searched or compared. */
  readonly reference: Pkcs11Uri
  readonly key: SigningKey
  /** Index of the PSS mechanism candidate that this token took. */
  pssIndex: number
}

export interface TokenConnection {
  readonly host: TokenHost
  readonly token: Token
  /** When its host had loaded the module, on the monotonic clock. */
  readonly since: number
  /** One request prepares session, login or keys at a time. */
  readonly preparing: Semaphore.Semaphore
  /**
   * As many as the host works on at once, so that a call's time limit begins when its work does. More while the token
   * is quick: then its limit is nowhere near.
   */
  readonly signing: FifoSemaphore
  isQuick: boolean
  /** Its host may know an older PIN than the token has: some modules read it only when they are loaded. */
  isOutdated: boolean
  session: TokenSession | undefined
  /** How often the session was given up for another. */
  reopened: number
  /** Nothing has succeeded since the session was given up. */
  isDoubted: boolean
}

export interface TokenSession {
  /** The PIN the login was made with; undefined: not logged in. */
  login: PinMark | undefined
  /** The login was made with the PIN of the settings: when that changes, it is made again. */
  isOwnLogin: boolean
  /** By the printed URI that was asked for. */
  readonly keys: Map<string, FoundKey>
  /** By the URI that was answered. */
  readonly references: WeakMap<Pkcs11Uri, FoundKey>
}

export const makeTokenConnection = (host: TokenHost, token: Token, since: number): TokenConnection => ({
  host,
  token,
  since,
  preparing: Semaphore.makeUnsafe(1),
  signing: new FifoSemaphore(parallelSigns),
  isQuick: false,
  isOutdated: false,
  session: undefined,
  reopened: 0,
  isDoubted: false
})

/** Tells whether another PIN is the same, without keeping the PIN. */
type PinMark = (pin: Redacted.Redacted<string>) => boolean

export const pinMark = (pin: Redacted.Redacted<string>): PinMark => {
  const key = randomBytes(32)
  const digest = (of: Redacted.Redacted<string>) => createHmac("sha256", key).update(Redacted.value(of)).digest()
  const mark = digest(pin)
  // The service's own PIN comes with each request, and is the same value each time.
  const known = new WeakSet<Redacted.Redacted<string>>([pin])
  return (other) => {
    const isSame = known.has(other) || timingSafeEqual(mark, digest(other))
    if (isSame) known.add(other)
    return isSame
  }
}
