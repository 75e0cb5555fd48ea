/** The state of the fake token: plugged or not, its keys, its PIN and wrong attempts. It outlives its actor. */
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto"
import { Effect, Redacted } from "effect"
import type { CryptokiEvent, KeySelector, TokenDescription } from "../messages/cryptoki.ts"
import { type Pkcs11Uri, shownUri } from "../messages/pkcs11-uri.ts"
import { matchesObject, matchesToken } from "../messages/pkcs11-uri-match.ts"
import * as refusals from "../messages/token-refusals.ts"

/** The test may change these at any time. */
export interface FakeTokenState {
  plugged: boolean
  /** The PIN that the token accepts. */
  pin: string
  triesLeft: number
  latencyMs: number
  /** Refuses the next request that reaches the token, once. */
  failNext: refusals.TokenRefusal | undefined
  /** Requests that reach the token are not answered while it is set. */
  hang: boolean
}

export interface FakeTokenOptions extends Partial<FakeTokenState> {
  readonly label?: string
  readonly serial?: string
  /** `device.cryptoki.pin`. */
  readonly defaultPin?: string
  readonly onEvent?: (event: CryptokiEvent) => void
}

export interface FakeKey {
  readonly label: string
  readonly id: Uint8Array
  readonly privateKey: KeyObject
}

export type Refused<A> = Effect.Effect<A, refusals.TokenRefusal>

/** It outlives the actor in front of it. */
export class FakeTokenCard {
  readonly state: FakeTokenState
  readonly serial: string
  label: string
  readonly keys: Array<FakeKey> = []
  logins = 0
  signatures = 0
  readonly refusedPins = new Set<string>()
  private loggedInWith: string | undefined
  private wasUsed = false
  private readonly options: FakeTokenOptions

  constructor(options: FakeTokenOptions) {
    this.options = options
    this.label = options.label ?? "fake-token"
    this.serial = options.serial ?? "f00d"
    const { plugged = true, pin = "123456", triesLeft = 3, latencyMs = 0, failNext, hang = false } = options
    this.state = { plugged, pin, triesLeft, latencyMs, failNext, hang }
  }

  get description(): TokenDescription {
    const facts = { model: "Fake", manufacturer: "tests", serial: this.serial }
    return { slot: 0, label: this.label, ...facts, initialized: true, uri: { ...facts, token: this.label } }
  }

  publish(event: CryptokiEvent): void {
    this.options.onEvent?.(event)
  }

  unplug(): void {
    this.state.plugged = false
    this.loggedInWith = undefined
    this.publish({ _tag: "TokenGone", token: this.label, reason: "unplugged" })
  }

  plug(): void {
    this.state.plugged = true
    this.publish({ _tag: "TokenPlugged", token: this.label })
  }

  addKey(label: string, id: Uint8Array): string {
    const { privateKey } = this.newKey(label, id)
    return createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString()
  }

  newKey(label: string, id: Uint8Array): FakeKey {
    const key = { label, id, privateKey: generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey }
    this.keys.push(key)
    return key
  }

  /** Common to every request that reaches the token. */
  reach(uri: Pkcs11Uri | undefined): Refused<void> {
    return Effect.gen({ self: this }, function* () {
      const { latencyMs, failNext } = this.state
      if (latencyMs > 0) yield* Effect.sleep(latencyMs)
      while (this.state.hang) yield* Effect.sleep(10)
      if (!this.state.plugged) return yield* Effect.fail(this.absent(uri))
      if (!matchesToken(uri ?? {}, this.description)) {
        const present = [shownUri(this.description.uri)]
        return yield* Effect.fail(new refusals.TokenNotFound({ uri: shownUri(uri ?? {}), present }))
      }
      this.wasUsed = true
      if (failNext === undefined) return
      this.state.failNext = undefined
      return yield* Effect.fail(failNext)
    })
  }

  private absent(uri: Pkcs11Uri | undefined): refusals.TokenRefusal {
    return this.wasUsed
      ? new refusals.TokenUnavailable({ token: this.label, call: "C_Sign", code: "CKR_DEVICE_REMOVED", detail: "" })
      : new refusals.TokenNotFound({ uri: uri && shownUri(uri), present: [] })
  }

  login({ uri, pin }: KeySelector): Refused<void> {
    return Effect.suspend((): Refused<void> => {
      const given = uri?.pinValue ?? pin
      const text = given === undefined ? this.options.defaultPin : Redacted.value(given)
      if (text === undefined) return Effect.fail(new refusals.PinMissing({ token: this.label }))
      const problem = this.pinProblem(text)
      return problem === undefined
        ? Effect.void
        : Effect.fail(new refusals.PinRejected({ token: this.label, reason: problem }))
    })
  }

  private pinProblem(pin: string): refusals.PinRejected["reason"] | undefined {
    if (this.refusedPins.has(pin)) return "latched"
    if (this.loggedInWith !== undefined) return this.loggedInWith === pin ? undefined : "differs"
    if (this.refusedPins.size >= 2) return "latchedAll"
    if (this.state.triesLeft === 0) return "locked"
    if (this.state.triesLeft === 1) return "finalTry"
    this.logins++
    if (pin === this.state.pin) {
      this.refusedPins.clear()
      this.loggedInWith = pin
      return undefined
    }
    this.state.triesLeft--
    this.refusedPins.add(pin)
    this.publish({ _tag: "PinLatched", token: this.label })
    return "incorrect"
  }

  /** The first key that matches, with the warning when there are more. */
  find(uri: Pkcs11Uri | undefined): Refused<FakeKey> {
    return Effect.suspend(() => {
      const [key, ...others] = this.matching(uri)
      if (key === undefined)
        return Effect.fail(
          new refusals.KeyNotFound({ uri: uri && shownUri(uri), token: this.label, onOtherToken: undefined })
        )
      const names = others.map((other) => shownUri(this.keyUri(other)))
      if (names.length > 0)
        this.publish({ _tag: "SeveralKeysMatched", taken: shownUri(this.keyUri(key)), others: names })
      return Effect.succeed(key)
    })
  }

  matching(uri: Pkcs11Uri | undefined): ReadonlyArray<FakeKey> {
    return this.keys.filter(({ label, id }) => matchesObject(uri ?? {}, { kind: "private", label, id }))
  }

  keyUri({ label, id }: FakeKey): Pkcs11Uri {
    return { ...this.description.uri, id, object: label }
  }

  /** Reinitialised, or with another PIN. */
  renew(label: string, pin: string): void {
    this.label = label
    this.state.pin = pin
    this.loggedInWith = undefined
    this.refusedPins.clear()
  }
}

export const spki = (key: FakeKey): Uint8Array =>
  Uint8Array.from(createPublicKey(key.privateKey).export({ type: "spki", format: "der" }))
