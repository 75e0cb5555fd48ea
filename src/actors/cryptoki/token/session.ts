/**
 * A token in use: its host, its open session, the login on it, and the keys found so far. All of it is lost with the
 * host; login and keys with the session.
 *
 * Every request starts with a session, and a login if the token requires one. A login is not shared: a request with another
 * PIN than that of the login is refused without calling the token. A token that requires no login never gets a
 * PIN.
 * Source: PKCS #11 v2.40, 5.6 (a login holds for all sessions of the process).
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import { Effect, Redacted, Semaphore } from "effect"
import type { ClientId } from "../../../messages/cryptoki.ts"
import { type Pkcs11Uri, shownUri } from "../../../messages/pkcs11-uri.ts"
import { mergeScope } from "../../../messages/pkcs11-uri-scope.ts"
import { tokenFamily } from "../../../messages/token-family.ts"
import { type LoginDelayed, PinMissing, PinRejected } from "../../../messages/token-refusals.ts"
import { BoundedMap } from "../../../runtime/primitives/bounded-map.ts"
import { FifoSemaphore } from "../../../runtime/primitives/fifo-semaphore.ts"
import { CallRefused, type HostFault } from "../host/faults.ts"
import type { TokenHost } from "../host/host-client.ts"
import { parallelSigns } from "../host/protocol.ts"
import { type LatchedToken, ofSecurityOfficer, rejected } from "../pin/latched-token.ts"
import type { PinLatch } from "../pin/pin-latch.ts"
import { CKF_USER_PIN_COUNT_LOW, CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_LOCKED } from "../pkcs11/pkcs11-constants.ts"
import { showsPinFlags } from "../pkcs11/quirks.ts"
import { CKR_TOKEN_NOT_PRESENT } from "../pkcs11/return-codes.ts"
import type { SigningKey } from "../pkcs11/signature.ts"
import { type Token, tokenIdentity, tokenName, tokenUri, wantsLogin } from "../pkcs11/token-facts.ts"
import type { TokenInfo, TokenObject } from "../pkcs11/values.ts"
import type { CryptokiSettings, Publish } from "../settings.ts"

export interface FoundKey {
  readonly object: TokenObject
  /** Token, id and label of the object. */
  readonly uri: Pkcs11Uri
  /** The same for a signature: requested by it, the key is found without a search. */
  readonly reference: Pkcs11Uri
  readonly key: SigningKey
  /** Index of the PSS mechanism candidate that this token accepted. */
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
   * As many as the host runs at once, so that a call's time limit starts when its work does. More while the token
   * is quick: then its limit is never reached.
   */
  readonly signing: FifoSemaphore
  isQuick: boolean
  /** Its host may know an older PIN than the token has: some modules read it only when they are loaded. */
  isOutdated: boolean
  session: TokenSession | undefined
  /** How often the session was replaced. */
  reopened: number
  /** Nothing has succeeded since the session was replaced. */
  isDoubted: boolean
}

export interface TokenSession {
  /** The PIN of the login; undefined: not logged in. */
  login: PinMark | undefined
  /** The login used the PIN of the settings: when that changes, it is repeated. */
  isOwnLogin: boolean
  /** By the printed URI, requested or returned. */
  readonly keys: BoundedMap<string, FoundKey>
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

/** Compares with another PIN, without storing the PIN. */
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

/** What the token actors of one CryptokiActor share. */
export interface TokenTools {
  readonly settings: CryptokiSettings
  /** The URI as the scope narrows it. Keys are found by the text of what it returns. */
  readonly narrowed: (uri: Pkcs11Uri) => Pkcs11Uri
  readonly latch: PinLatch
  readonly publish: Publish
}

/** The scope's attributes win. The same value each time, which prints its text once. */
export const narrowedBy = (scope: Pkcs11Uri | undefined): TokenTools["narrowed"] => {
  if (scope === undefined) return (uri) => uri
  const known = new WeakMap<Pkcs11Uri, Pkcs11Uri>()
  return (uri) => {
    const narrowed = known.get(uri) ?? mergeScope(scope, uri).uri
    known.set(uri, narrowed)
    return narrowed
  }
}

/** Who asks, and the PIN of the request, if any. A `pin-value` in the URI takes precedence over it. */
export interface Asker {
  readonly uri: Pkcs11Uri
  readonly pin: Redacted.Redacted<string> | undefined
  /** Of several keys that match, the one with this public half (SubjectPublicKeyInfo, DER) is meant. */
  readonly publicKey?: Uint8Array | undefined
  /** The unprivileged client that gave the PIN. */
  readonly client?: ClientId | undefined
}

export type LoginRefusal = PinMissing | PinRejected | LoginDelayed | HostFault

/** An open session, logged in with the asker's PIN if the token wants that. */
export const loggedIn = (
  tools: TokenTools,
  connection: TokenConnection,
  asker: Asker
): Effect.Effect<TokenSession, LoginRefusal> =>
  Effect.suspend(() => {
    const ready = alreadyIn(tools, connection, asker)
    return ready ?? connection.preparing.withPermit(logIn(tools, connection, asker))
  })

/** Undefined when there is something to do first. */
const alreadyIn = (tools: TokenTools, connection: TokenConnection, asker: Asker) => {
  const { session, token } = connection
  if (session === undefined) return undefined
  const { login } = session
  if (login === undefined) return wantsLogin(token) ? undefined : Effect.succeed(session)
  const chosen = pinOf(tools, token, asker)
  if (chosen === undefined) return undefined
  if (asker.client !== undefined)
    return Effect.as(
      tools.latch.clients.compare(latchedToken(token), asker.client, () => login(chosen)),
      session
    )
  if (login(chosen)) return Effect.succeed(session)
  return Effect.fail(new PinRejected({ token: tokenName(token), reason: "differs" }))
}

/** The login was made with a PIN of the settings that has been replaced there since. */
export const hasReplacedPin = ({ settings: { defaultPin } }: TokenTools, { session }: TokenConnection): boolean =>
  session?.login !== undefined && session.isOwnLogin && defaultPin !== undefined && !session.login(defaultPin)

/** An open session, with or without a login. */
export const openSession = (tools: TokenTools, connection: TokenConnection): Effect.Effect<TokenSession, HostFault> =>
  connection.preparing.withPermit(opened(tools, connection))

/** For the one that prepares. */
const opened = (tools: TokenTools, connection: TokenConnection): Effect.Effect<TokenSession, HostFault> =>
  Effect.suspend(() =>
    connection.session
      ? Effect.succeed(connection.session)
      : Effect.map(tokenNow(tools, connection), () => {
          connection.session = { login: undefined, isOwnLogin: false, keys: new BoundedMap(256) }
          return connection.session
        })
  )

/** Opens the session that keeps the login; another token in the slot by now is a token that is gone. */
export const tokenNow = (tools: TokenTools, connection: TokenConnection): Effect.Effect<TokenInfo, HostFault> =>
  Effect.gen(function* () {
    const { slot } = connection.token.facts
    const facts = yield* connection.host.call("open", { slot }, tools.settings.limits.listMs)
    if (tokenIdentity({ ...connection.token, facts }) === tokenIdentity(connection.token)) return facts
    return yield* new CallRefused({ call: "C_GetTokenInfo", code: CKR_TOKEN_NOT_PRESENT, detail: "" })
  })

/** Gives the session up; the next request opens another. */
export const closeSession = (tools: TokenTools, connection: TokenConnection): Effect.Effect<void, HostFault> =>
  connection.preparing.withPermit(
    Effect.suspend(() => {
      connection.session = undefined
      return Effect.asVoid(
        connection.host.call("close", { slot: connection.token.facts.slot }, tools.settings.limits.listMs)
      )
    })
  )

const logIn = (
  tools: TokenTools,
  connection: TokenConnection,
  asker: Asker
): Effect.Effect<TokenSession, LoginRefusal> =>
  Effect.gen(function* () {
    const { token } = connection
    const session = yield* opened(tools, connection)
    // By another request, while this one waited.
    const ready = alreadyIn(tools, connection, asker)
    if (ready) return yield* ready
    const pin = pinOf(tools, token, asker)
    if (pin === undefined) return yield* new PinMissing({ token: tokenName(token) })
    if (asker.client !== undefined) yield* tools.latch.clients.admit(latchedToken(token), asker.client)
    // Before the latch is asked: a token that was pulled out and comes back may be given its PIN once more.
    yield* userPinFlags(tools, connection)
    if (pin === guidesPin) yield* tools.publish({ _tag: "DefaultPinTried", token: tokenName(token) })
    const asked = { slot: token.facts.slot, pin: Redacted.value(pin) }
    const login = Effect.tapError(connection.host.call("login", asked, tools.settings.limits.loginMs), () =>
      Effect.sync(() => {
        connection.isOutdated = true
      })
    )
    yield* tools.latch.guard(latchedToken(token), pin, {
      login,
      client: asker.client,
      isCountLow: userPinFlags(tools, connection),
      // Where a login existed already, the host has logged out and in once more.
      logins: (isNew) => (isNew ? 1 : 2)
    })
    session.login = pinMark(pin)
    session.isOwnLogin = pin === tools.settings.defaultPin
    return session
  })

/**
 * A token that is locked, or would be by one more wrong PIN, is left to a person. Answers whether a wrong one was
 * counted since the last login.
 */
export const userPinFlags = (
  tools: TokenTools,
  connection: TokenConnection
): Effect.Effect<boolean, PinRejected | HostFault> =>
  Effect.gen(function* () {
    const { flags } = yield* tokenNow(tools, connection)
    const token = tokenName(connection.token)
    if ((flags & CKF_USER_PIN_LOCKED) !== 0) return yield* rejected(latchedToken(connection.token), "locked")
    if ((flags & CKF_USER_PIN_FINAL_TRY) !== 0) return yield* new PinRejected({ token, reason: "finalTry" })
    return (flags & CKF_USER_PIN_COUNT_LOW) !== 0
  })

/** The PIN that counts for this request; undefined: there is none. */
export const pinOf = (tools: TokenTools, token: Token, asker: Asker): Redacted.Redacted<string> | undefined =>
  asker.uri.pinValue ??
  asker.pin ??
  tools.settings.defaultPin ??
  tools.settings.scope?.pinValue ??
  // thin-edge's guide sets no PIN, and its token is SoftHSM2, which never locks.
  (token.facts.manufacturer === softHsm ? guidesPin : undefined)

export const latchedToken = (token: Token): LatchedToken => ({
  identity: tokenIdentity(token),
  name: tokenName(token),
  uri: shownUri(tokenUri(token)),
  family: tokenFamily(token.facts),
  neverLocks: token.facts.manufacturer === softHsm,
  showsFlags: showsPinFlags(token)
})

export const latchedSo = (token: Token): LatchedToken => ofSecurityOfficer(latchedToken(token))

const softHsm = "SoftHSM project"
const guidesPin = Redacted.make("123456")
