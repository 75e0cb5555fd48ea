/**
 * A token in memory, with the same protocol as a real one.
 *
 * Its keys are real P-256 keys; the test sets whether it is plugged in, slow, hung or failing, at any time.
 * PINs are handled as by CryptokiActor: a refused PIN is not tried again.
 */
import { createSign, randomBytes } from "node:crypto"
import { Effect, Redacted } from "effect"
import { type CryptokiProtocol, type KeyDescription, type KeySelector, requestTags } from "../messages/cryptoki.ts"
import { shownUri } from "../messages/pkcs11-uri.ts"
import * as refusals from "../messages/token-refusals.ts"
import type { Behaviour } from "../runtime/actor.ts"
import type { AnswerOf, Handlers } from "../runtime/protocol.ts"
import {
  type FakeKey,
  FakeTokenCard,
  type FakeTokenOptions,
  type FakeTokenState,
  type Refused,
  spki
} from "./fake-token-card.ts"

export interface FakeToken {
  readonly behaviour: Behaviour<CryptokiProtocol>
  /** Change it at any time. */
  readonly state: FakeTokenState
  readonly serial: string
  /** Adds a P-256 key, its id in hex digits; returns its public key, SubjectPublicKeyInfo as PEM. */
  readonly addKey: (label: string, id: string) => string
  readonly unplug: () => void
  readonly plug: () => void
  /** Number of PIN attempts at the token. */
  readonly logins: () => number
  readonly signatures: () => number
}

export const fakeToken = (options: FakeTokenOptions = {}): FakeToken => {
  const card = new FakeTokenCard(options)
  return {
    behaviour: {
      init: () => Effect.succeed({ Ping: () => Effect.void, ...signing(card), ...management(card) }),
      concurrent: { tags: requestTags, inFlight: 1000 }
    },
    state: card.state,
    serial: card.serial,
    addKey: (label, id) => card.addKey(label, Uint8Array.from(Buffer.from(id, "hex"))),
    unplug: () => card.unplug(),
    plug: () => card.plug(),
    logins: () => card.logins,
    signatures: () => card.signatures
  }
}

type Some<Tag extends keyof CryptokiProtocol> = Pick<Handlers<CryptokiProtocol>, Tag>

const onlyScheme = "ecdsa_secp256r1_sha256"

const signing = (card: FakeTokenCard): Some<"ChooseScheme" | "Sign" | "PublicKey" | "ListTokens" | "ListKeys"> => ({
  ChooseScheme: ({ offered, key }) =>
    Effect.map(signingKey(card, key), (found) => ({
      key: { ...key, uri: { serial: card.serial, id: found.id } },
      algorithm: "ECDSA" as const,
      scheme: offered.find((scheme) => scheme === onlyScheme)
    })),
  Sign: ({ key, scheme = onlyScheme, message }) =>
    Effect.flatMap(signingKey(card, key), (found) => {
      if (scheme !== onlyScheme)
        return Effect.fail(new refusals.SchemeNotSupported({ token: card.label, scheme, keyType: "P-256" }))
      card.signatures++
      return Effect.sync(() => ({
        signature: Uint8Array.from(createSign("sha256").update(message).sign(found.privateKey)),
        key: card.keyUri(found)
      }))
    }),
  // Its public objects need no login.
  PublicKey: ({ key }) =>
    Effect.map(
      Effect.catchTag(keyOf(card, key), "PinMissing", () => card.find(key.uri)),
      spki
    ),
  ListTokens: () => (card.state.plugged ? Effect.as(card.reach(undefined), [card.description]) : Effect.succeed([])),
  ListKeys: ({ token }) =>
    Effect.as(
      opened(card, token),
      card.matching(token.uri).flatMap((key): ReadonlyArray<KeyDescription> => {
        const described = { keyType: "EC" as const, label: key.label, id: key.id, uri: card.keyUri(key) }
        return [
          { ...described, kind: "private" },
          { ...described, kind: "public" }
        ]
      })
    )
})

const management = (
  card: FakeTokenCard
): Some<"CreateKey" | "InitToken" | "ChangePin" | "DeleteKey" | "ClearPinLatch"> => ({
  CreateKey: ({ token, label, id = Uint8Array.from(randomBytes(20)), onlyNewLabel = false }) =>
    Effect.flatMap(opened(card, token), (): Refused<AnswerOf<CryptokiProtocol, "CreateKey">> => {
      const same = onlyNewLabel ? card.keys.find((key) => key.label === label) : undefined
      if (same)
        return Effect.fail(new refusals.LabelTaken({ token: card.label, label, uri: shownUri(card.keyUri(same)) }))
      const exists = card.keys.some((key) => Buffer.compare(key.id, id) === 0)
      if (exists) return Effect.fail(new refusals.KeyExists({ token: card.label, id: Buffer.from(id).toString("hex") }))
      const key = card.newKey(label, id)
      return Effect.succeed({ publicKey: spki(key), uri: card.keyUri(key) })
    }),
  InitToken: ({ token, label, pin }) =>
    Effect.map(card.reach(token.uri), () => {
      card.keys.length = 0
      card.renew(label, Redacted.value(pin))
      return card.description
    }),
  ChangePin: ({ token, newPin, by }) =>
    Effect.map(by.kind === "change" ? opened(card, token) : card.reach(token.uri), () => {
      card.renew(card.label, Redacted.value(newPin))
      return card.description
    }),
  DeleteKey: ({ key }) =>
    Effect.map(keyOf(card, key), (found) => {
      card.keys.splice(card.keys.indexOf(found), 1)
      return [card.keyUri(found)]
    }),
  ClearPinLatch: () =>
    Effect.sync(() => {
      const wasLatched = card.refusedPins.size > 0
      card.refusedPins.clear()
      return wasLatched
    })
})

const opened = (card: FakeTokenCard, selector: KeySelector): Refused<void> =>
  Effect.andThen(card.reach(selector.uri), card.login(selector))

const keyOf = (card: FakeTokenCard, selector: KeySelector): Refused<FakeKey> =>
  Effect.andThen(opened(card, selector), card.find(selector.uri))

const signingKey = (card: FakeTokenCard, selector: KeySelector): Refused<FakeKey> => {
  const type = selector.uri?.type ?? "private"
  return type === "private"
    ? keyOf(card, selector)
    : Effect.fail(new refusals.UriNotUsable({ uri: shownUri(selector.uri ?? {}), reason: `type=${type}` }))
}
