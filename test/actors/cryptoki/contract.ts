/**
 * What every CryptokiActor promises, whatever is behind it: a module, the signing service, a fake.
 *
 * Each case begins with a token "my-token" whose PIN is 123456 and that has one P-256 key: label my-key, id 01.
 */
import { createPublicKey, createVerify } from "node:crypto"
import { Effect, Redacted, Result, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import type { CryptokiEvent, CryptokiProtocol, KeySelector } from "../../../src/messages/cryptoki.ts"
import { parsePkcs11Uri } from "../../../src/messages/pkcs11-uri.ts"
import type { ActorRef, AskTag, PayloadOf } from "../../../src/runtime/protocol.ts"

/** An actor and its token. Without a member, the cases that need it are left out: the kit cannot bring it about. */
export interface ContractKit {
  readonly cryptoki: ActorRef<CryptokiProtocol>
  /** What it has told so far. */
  readonly events?: () => ReadonlyArray<CryptokiEvent>
  readonly publicKeyPem: string
  readonly addKey: (label: string, id: string) => void
  /** How often the token was given a PIN. */
  readonly logins?: () => number
  readonly unplug?: () => void
  readonly plug?: () => void
  /** From now on signatures take for ever, until the returned function is called. */
  readonly hang?: () => () => void
}

export interface Contract {
  readonly name: string
  /** What the kit can bring about. */
  readonly can: ReadonlyArray<"events" | "logins" | "unplug" | "hang">
  readonly start: Effect.Effect<ContractKit, unknown, Scope.Scope>
  /** The wire protocol says less than the table: refusals come as text, keys are named as they were asked for. */
  readonly overWire?: boolean
}

const message = Buffer.from("TLS 1.3, client CertificateVerify")
const right = Redacted.make("123456")
const key = (uri: string, pin: Redacted.Redacted<string> = right): KeySelector => ({
  uri: Result.getOrThrow(parsePkcs11Uri(uri)),
  pin
})
const myKey = key("pkcs11:token=my-token;object=my-key")

/** Registers the cases for one kind of actor. */
export const describeCryptoki = (contract: Contract): void => {
  const scenario = (
    name: string,
    body: (kit: ContractKit) => Effect.Effect<void, unknown>,
    needs?: Contract["can"][number]
  ) => {
    if (needs === undefined || contract.can.includes(needs))
      it(name, () => Effect.runPromise(Effect.scoped(Effect.flatMap(contract.start, body))))
  }
  describe(`CryptokiActor: ${contract.name}`, () => {
    signingCases(scenario)
    refusalCases(scenario, contract)
    pinCases(scenario, contract)
    managementCases(scenario)
    faultCases(scenario)
  })
}

type Scenario = (
  name: string,
  body: (kit: ContractKit) => Effect.Effect<void, unknown>,
  needs?: Contract["can"][number]
) => void

const ask = <Tag extends AskTag<CryptokiProtocol>>(
  kit: ContractKit,
  tag: Tag,
  payload: PayloadOf<CryptokiProtocol, Tag>,
  within = 60_000
) => kit.cryptoki.ask(tag, payload, { within })
const sign = (kit: ContractKit, selector: KeySelector, within?: number) =>
  Effect.map(ask(kit, "Sign", { key: selector, scheme: undefined, message }, within), ({ signature }) => signature)
const verifies = (publicKeyPem: string, signature: Uint8Array) =>
  createVerify("sha256").update(message).verify(publicKeyPem, signature)

const signingCases = (scenario: Scenario): void => {
  scenario("signs with the scheme it chose, and with the key it chose", (kit) =>
    Effect.gen(function* () {
      const offered = ["rsa_pss_rsae_sha256", "ecdsa_secp256r1_sha256"] as const
      const chosen = yield* ask(kit, "ChooseScheme", { offered, key: myKey })
      expect(chosen).toMatchObject({ algorithm: "ECDSA", scheme: "ecdsa_secp256r1_sha256" })
      const { signature } = yield* ask(kit, "Sign", { key: chosen.key, scheme: chosen.scheme, message })
      expect(verifies(kit.publicKeyPem, signature)).toBe(true)
    })
  )
  scenario("says so when no offered scheme fits the key", (kit) =>
    Effect.gen(function* () {
      const chosen = yield* ask(kit, "ChooseScheme", { offered: ["rsa_pkcs1_sha256"], key: myKey })
      expect(chosen).toMatchObject({ algorithm: "ECDSA", scheme: undefined })
    })
  )
  scenario("signs many messages at once", (kit) =>
    Effect.gen(function* () {
      const signatures = yield* Effect.all(
        Array.from({ length: 20 }, () => sign(kit, myKey)),
        { concurrency: "unbounded" }
      )
      expect(signatures.every((signature) => verifies(kit.publicKeyPem, signature))).toBe(true)
    })
  )
  scenario("answers the public key as SubjectPublicKeyInfo", (kit) =>
    Effect.gen(function* () {
      const der = yield* ask(kit, "PublicKey", { key: myKey })
      const pem = createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" }).export({
        type: "spki",
        format: "pem"
      })
      expect(pem).toBe(kit.publicKeyPem)
    })
  )
  scenario(
    "takes the first of several keys and warns",
    (kit) =>
      Effect.gen(function* () {
        kit.addKey("my-key", "02")
        yield* sign(kit, myKey)
        expect(kit.events?.().map((event) => event._tag)).toContain("SeveralKeysMatched")
      }),
    "events"
  )
}

const refusalCases = (scenario: Scenario, contract: Contract): void => {
  const tag = (refusal: { readonly _tag: string }) => refusal._tag
  const expected = (name: string) => (contract.overWire ? "SigningServiceRefused" : name)
  scenario("refuses a key that is not there", (kit) =>
    Effect.gen(function* () {
      expect(tag(yield* Effect.flip(sign(kit, key("pkcs11:token=my-token;id=%99"))))).toBe(expected("KeyNotFound"))
    })
  )
  scenario("refuses a token that is not there", (kit) =>
    Effect.gen(function* () {
      expect(tag(yield* Effect.flip(sign(kit, key("pkcs11:token=other"))))).toBe(expected("TokenNotFound"))
    })
  )
  scenario("signs with no key that a URI calls public; the service leaves the type out, as thin-edge's does", (kit) =>
    Effect.gen(function* () {
      const signed = sign(kit, key("pkcs11:object=my-key;type=public"))
      if (contract.overWire) expect(verifies(kit.publicKeyPem, yield* signed)).toBe(true)
      else expect(tag(yield* Effect.flip(signed))).toBe("UriNotUsable")
    })
  )
  scenario("refuses a scheme the key cannot sign with", (kit) =>
    Effect.gen(function* () {
      const refusal = yield* Effect.flip(ask(kit, "Sign", { key: myKey, scheme: "rsa_pss_rsae_sha256", message }))
      expect(tag(refusal)).toBe(expected("SchemeNotSupported"))
    })
  )
}

const pinCases = (scenario: Scenario, contract: Contract): void => {
  const rejected = (reason: string) =>
    contract.overWire ? { _tag: "SigningServiceRefused" } : { _tag: "PinRejected", reason }
  const withPin = (pin: string) => key("pkcs11:token=my-token;object=my-key", Redacted.make(pin))
  scenario("tries a wrong PIN once, and still takes the right one", (kit) =>
    Effect.gen(function* () {
      expect(yield* Effect.flip(sign(kit, withPin("wrong")))).toMatchObject(rejected("incorrect"))
      const tried = kit.logins?.()
      expect(yield* Effect.flip(sign(kit, withPin("wrong")))).toMatchObject(rejected("latched"))
      expect(kit.logins?.()).toBe(tried)
      yield* sign(kit, withPin("123456"))
    })
  )
  scenario("tries no third PIN after two wrong ones, until a person clears the latch", (kit) =>
    Effect.gen(function* () {
      yield* Effect.flip(sign(kit, withPin("wrong")))
      yield* Effect.flip(sign(kit, withPin("also wrong")))
      const tried = kit.logins?.()
      expect(yield* Effect.flip(sign(kit, withPin("123456")))).toMatchObject(rejected("latchedAll"))
      expect(kit.logins?.()).toBe(tried)
    })
  )
  scenario("takes a PIN in the URI before the one beside it", (kit) =>
    Effect.gen(function* () {
      yield* sign(kit, key("pkcs11:object=my-key?pin-value=123456", Redacted.make("wrong")))
    })
  )
  scenario("allows no signature on another's login", (kit) =>
    Effect.gen(function* () {
      yield* sign(kit, withPin("123456"))
      const tried = kit.logins?.()
      expect(yield* Effect.flip(sign(kit, withPin("guess")))).toMatchObject(rejected("differs"))
      expect(kit.logins?.()).toBe(tried)
      yield* sign(kit, withPin("123456"))
    })
  )
}

const managementCases = (scenario: Scenario): void => {
  scenario("lists the token and its keys", (kit) =>
    Effect.gen(function* () {
      const tokens = yield* ask(kit, "ListTokens", undefined)
      expect(tokens.filter((token) => token.initialized)).toMatchObject([
        { label: "my-token", uri: { token: "my-token" } }
      ])
      const keys = yield* ask(kit, "ListKeys", { token: key("pkcs11:token=my-token") })
      const expected = {
        keyType: "EC",
        label: "my-key",
        id: Uint8Array.of(1),
        uri: { token: "my-token", object: "my-key" }
      }
      expect(keys.filter((found) => found.kind === "private")).toMatchObject([expected])
    })
  )
  scenario("creates a key that signs, refuses its id a second time, and deletes it", (kit) =>
    Effect.gen(function* () {
      const parameters = { type: "ecdsa", curve: "p256" } as const
      const request = {
        token: key("pkcs11:token=my-token"),
        parameters,
        label: "new key",
        id: Uint8Array.of(0xab, 0xcd)
      }
      const created = yield* ask(kit, "CreateKey", request)
      expect(created.uri).toMatchObject({ token: "my-token", id: request.id, object: "new key" })
      const signature = yield* sign(kit, { uri: created.uri, pin: right })
      const spki = createPublicKey({ key: Buffer.from(created.publicKey), format: "der", type: "spki" })
      expect(createVerify("sha256").update(message).verify(spki, signature)).toBe(true)
      yield* Effect.flip(ask(kit, "CreateKey", request))
      expect((yield* ask(kit, "DeleteKey", { key: { uri: created.uri, pin: right } })).length).toBeGreaterThan(0)
      yield* Effect.flip(sign(kit, { uri: created.uri, pin: right }))
    })
  )
}

const faultCases = (scenario: Scenario): void => {
  scenario(
    "refuses while the token is out and signs again when it is back",
    (kit) =>
      Effect.gen(function* () {
        yield* sign(kit, myKey)
        kit.unplug?.()
        yield* Effect.flip(sign(kit, myKey))
        kit.plug?.()
        const again = Effect.retry(sign(kit, myKey), { times: 20 })
        expect(verifies(kit.publicKeyPem, yield* again)).toBe(true)
      }),
    "unplug"
  )
  scenario(
    "answers a ping while the token hangs",
    (kit) =>
      Effect.gen(function* () {
        yield* sign(kit, myKey)
        const resume = kit.hang?.()
        const [signed, pinged] = yield* Effect.all(
          [Effect.exit(sign(kit, myKey, 300)), Effect.exit(ask(kit, "Ping", undefined, 200))],
          {
            concurrency: "unbounded"
          }
        )
        resume?.()
        expect([signed._tag, pinged._tag]).toEqual(["Failure", "Success"])
      }),
    "hang"
  )
}
