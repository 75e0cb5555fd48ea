/** Listing, creating and deleting keys, initialising tokens and changing PINs, on SoftHSM2. */
import { execFileSync } from "node:child_process"
import { createPublicKey } from "node:crypto"
import { Effect, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { defaultLimits } from "../../../../src/actors/cryptoki/settings.ts"
import type { KeyParameters } from "../../../../src/messages/cryptoki.ts"
import { printPkcs11Uri } from "../../../../src/messages/pkcs11-uri.ts"
import { keyBooleans } from "../../../support/token/key-attributes.ts"
import { by, isSignature, message, pin, run, startScripted, startSoftHsm, uri } from "../module-kit.ts"

const within = { within: 60_000 }
const pemOf = (der: Uint8Array): string =>
  createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" })
    .export({ type: "spki", format: "pem" })
    .toString()
const privateUses = {
  CKA_SIGN: 0x108,
  CKA_DECRYPT: 0x105,
  CKA_UNWRAP: 0x107,
  CKA_SIGN_RECOVER: 0x109,
  CKA_DERIVE: 0x10c
}
const publicUses = {
  CKA_VERIFY: 0x10a,
  CKA_ENCRYPT: 0x104,
  CKA_WRAP: 0x106,
  CKA_VERIFY_RECOVER: 0x10b,
  CKA_DERIVE: 0x10c
}
const p256: KeyParameters = { type: "ecdsa", curve: "p256" }

describe("a new key", () => {
  it.each([
    [{ type: "ecdsa", curve: "p256" }, "sha256"],
    [{ type: "ecdsa", curve: "p384" }, "sha384"],
    [{ type: "rsa", bits: 2048 }, "sha256"],
    [{ type: "rsa", bits: 3072 }, "sha256"],
    [{ type: "rsa", bits: 4096 }, "sha256"]
  ] as const)("of %o signs, and its public half belongs to it", (parameters, hash) =>
    run(
      Effect.gen(function* () {
        const { ref, sign } = yield* startSoftHsm()
        const created = yield* ref.ask("CreateKey", { token: {}, parameters, label: "new", id: undefined }, within)
        expect(created.uri.id).toHaveLength(20)
        const scheme = parameters.type === "rsa" ? "rsa_pkcs1_sha256" : undefined
        const signature = yield* sign({ uri: created.uri }, scheme, 60_000)
        expect(isSignature(signature, pemOf(created.publicKey), hash)).toBe(true)
      })
    )
  )

  it("is named as thin-edge names keys", () =>
    run(
      Effect.gen(function* () {
        const { ref, token } = yield* startSoftHsm()
        const id = Uint8Array.of(0, 0xff)
        const created = yield* ref.ask("CreateKey", { token: {}, parameters: p256, label: "a key", id }, within)
        expect(printPkcs11Uri(created.uri, { pin: "shown" })).toBe(
          `pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=${token.serial};token=my-token;id=%00%FF;object=a%20key`
        )
      })
    ))

  it("never leaves the token", () =>
    run(
      Effect.gen(function* () {
        const { ref, directory } = yield* startSoftHsm()
        yield* ref.ask("CreateKey", { token: {}, parameters: p256, label: "new", id: Uint8Array.of(9) }, within)
        const args = ["--module", directory.modulePath, "--login", "--pin", "123456", "--list-objects", "--id", "09"]
        const options = { env: { ...process.env, ...directory.env }, encoding: "utf8" } as const
        const listed = execFileSync("pkcs11-tool", [...args, "--type", "privkey"], options)
        expect(listed).toMatch(/Access:.*sensitive.*always sensitive, never extractable/)
        expect(listed).toMatch(/Usage:\s+sign$/m)
      })
    ))

  it("does not take an id that is there, and nothing is made", () =>
    run(
      Effect.gen(function* () {
        const { ref, script } = yield* startScripted()
        const order = { token: {}, parameters: p256, label: "new", id: Uint8Array.of(1) }
        const refusal = yield* Effect.flip(ref.ask("CreateKey", order, within))
        expect(refusal).toMatchObject({ _tag: "KeyExists", token: "my-token", id: "01" })
        expect(script.calls("C_GenerateKeyPair")).toBe(0)
      })
    ))

  it.each([
    ["an empty id", "new", new Uint8Array(0), "empty"],
    ["an id of 256 bytes", "new", new Uint8Array(256), "tooLong"],
    ["a label of 256 bytes", "\u00e4".repeat(128), undefined, "tooLong"],
    ...["\0", "\n", "\x1b", "\u0085", "\u2028"].map(
      (character) =>
        [`a label with ${JSON.stringify(character)}`, `a${character}b`, undefined, "controlCharacter"] as const
    )
  ] as const)("does not take %s, and the token hears of nothing", (_what, label, id, reason) =>
    run(
      Effect.gen(function* () {
        const { ref, script } = yield* startScripted()
        const refusal = yield* Effect.flip(ref.ask("CreateKey", { token: {}, parameters: p256, label, id }, within))
        expect(refusal).toMatchObject({ _tag: "NameNotUsable", reason })
        expect([script.calls("C_Login"), script.calls("C_GenerateKeyPair")]).toEqual([0, 0])
      })
    )
  )

  it("takes the longest id and label, and a label of none", () =>
    run(
      Effect.gen(function* () {
        const { ref } = yield* startSoftHsm()
        const id = new Uint8Array(255).fill(7)
        const long = { token: {}, parameters: p256, label: "x".repeat(255), id }
        expect((yield* ref.ask("CreateKey", long, within)).uri.id).toEqual(id)
        const unnamed = { token: {}, parameters: p256, label: "", id: undefined }
        expect((yield* ref.ask("CreateKey", unnamed, within)).publicKey.length).toBeGreaterThan(0)
      })
    ))

  it.each([
    ["ecdsa", p256],
    ["rsa", { type: "rsa", bits: 2048 }]
  ] as const)("of type %s may do nothing but sign, and its public half nothing but verify", (_type, parameters) =>
    run(
      Effect.gen(function* () {
        const { ref, directory, token } = yield* startSoftHsm()
        const order = { token: {}, parameters, label: "new", id: Uint8Array.of(9) }
        yield* ref.ask("CreateKey", order, within)
        expect(keyBooleans({ ...directory, ...token }, "private", "09", privateUses)).toEqual({
          CKA_SIGN: true,
          CKA_DECRYPT: false,
          CKA_UNWRAP: false,
          CKA_SIGN_RECOVER: false,
          CKA_DERIVE: false
        })
        expect(keyBooleans({ ...directory, ...token }, "public", "09", publicUses)).toEqual({
          CKA_VERIFY: true,
          CKA_ENCRYPT: false,
          CKA_WRAP: false,
          CKA_VERIFY_RECOVER: false,
          CKA_DERIVE: false
        })
        const keys = yield* ref.ask("ListKeys", { token: by("pkcs11:id=%09") }, within)
        expect(keys.map(({ kind, otherUses }) => [kind, otherUses])).toEqual([
          ["private", []],
          ["public", undefined]
        ])
      })
    )
  )

  it.each([
    [1, [], []],
    [2, [], ["CKA_ENCRYPT", "CKA_WRAP", "CKA_VERIFY_RECOVER"]],
    [4, ["CKA_DECRYPT", "CKA_UNWRAP", "CKA_SIGN_RECOVER"], ["CKA_ENCRYPT", "CKA_WRAP", "CKA_VERIFY_RECOVER"]]
  ] as const)(
    "for which the token refused %i templates may do no more than it must, and the list shows what that is",
    (times, inPrivate, inPublic) =>
      run(
        Effect.gen(function* () {
          const { ref, script, directory, token } = yield* startScripted({}, "own")
          const parameters = { type: "rsa", bits: 2048 } as const
          script.set({ C_GenerateKeyPair: { code: "CKR_ATTRIBUTE_TYPE_INVALID", times } })
          const { uri } = yield* ref.ask(
            "CreateKey",
            { token: {}, parameters, label: "n", id: Uint8Array.of(9) },
            within
          )
          const may = (kind: "private" | "public", names: Readonly<Record<string, number>>) =>
            Object.entries(keyBooleans({ ...directory, ...token }, kind, "09", names)).flatMap(([name, value]) =>
              value ? [name] : []
            )
          expect(may("private", privateUses)).toEqual(["CKA_SIGN", ...inPrivate])
          expect(may("public", publicUses)).toEqual(["CKA_VERIFY", ...inPublic])
          const keys = yield* ref.ask("ListKeys", { token: { uri } }, within)
          const words = inPrivate.map((name) => name.slice("CKA_".length).toLowerCase().replace("_", "-"))
          expect(keys.find(({ kind }) => kind === "private")?.otherUses).toEqual(words)
        })
      )
  )

  it.each(["CKR_GENERAL_ERROR", "CKR_FUNCTION_FAILED"] as const)(
    "is made without restrictions on a token that answers them with %s",
    (code) =>
      run(
        Effect.gen(function* () {
          const { ref, script } = yield* startScripted({}, "own")
          const order = { token: {}, parameters: p256, label: "new", id: Uint8Array.of(9) }
          script.set({ C_GenerateKeyPair: { code, times: 1 } })
          expect((yield* ref.ask("CreateKey", order, within)).publicKey.length).toBeGreaterThan(0)
          expect(script.calls("C_GenerateKeyPair")).toBe(2)
        })
      )
  )

  it("is asked for with other templates after a fault of the template only", () =>
    run(
      Effect.gen(function* () {
        const { ref, script, token } = yield* startScripted()
        const order = { token: {}, parameters: p256, label: "new", id: Uint8Array.of(0x51) }
        script.set({ C_GenerateKeyPair: { code: "CKR_ATTRIBUTE_VALUE_INVALID" } })
        expect(yield* Effect.flip(ref.ask("CreateKey", order, within))).toMatchObject({
          _tag: "TokenError",
          code: "CKR_ATTRIBUTE_VALUE_INVALID"
        })
        expect(script.calls("C_GenerateKeyPair")).toBe(6)
        script.set({ C_GenerateKeyPair: { code: "CKR_ARGUMENTS_BAD" } })
        yield* Effect.flip(ref.ask("CreateKey", order, within))
        expect(script.calls("C_GenerateKeyPair")).toBe(7)
        script.reset()
        const created = yield* ref.ask("CreateKey", order, within)
        expect(created.uri.serial).toBe(token.serial)
        yield* ref.ask("DeleteKey", { key: { uri: created.uri } }, within)
      })
    ))

  it("whose making was cut off is an unknown outcome, unless it is found", () =>
    run(
      Effect.gen(function* () {
        const { ref, script } = yield* startScripted({ limits: { ...defaultLimits, generateMs: 700 } })
        const order = { token: {}, parameters: p256, label: "new", id: Uint8Array.of(0x52) }
        script.set({ C_GenerateKeyPair: { hang: true, times: 1 } })
        expect(yield* Effect.flip(ref.ask("CreateKey", order, within))).toMatchObject({
          _tag: "OutcomeUnknown",
          operation: "create-key"
        })
      })
    ))

  it("goes to no token when several fit, and to none outside of the scope", () =>
    run(
      Effect.gen(function* () {
        const { ref, directory, token } = yield* startSoftHsm({ settings: { scope: uri("pkcs11:model=SoftHSM%20v2") } })
        directory.addToken({ label: "second" })
        const order = { parameters: p256, label: "new", id: undefined }
        const refusal = yield* Effect.flip(ref.ask("CreateKey", { token: {}, ...order }, within))
        expect(refusal).toMatchObject({ _tag: "TokenAmbiguous", candidates: { length: 2 } })
        const outside = by("pkcs11:model=Other")
        expect(yield* Effect.flip(ref.ask("CreateKey", { token: outside, ...order }, within))).toMatchObject({
          _tag: "OutsideScope"
        })
        yield* ref.ask("CreateKey", { token: by(`pkcs11:serial=${token.serial}`), ...order }, within)
      })
    ))
})

describe("the public key", () => {
  it.each([true, false])("is the one that would sign (public object on the token: %s)", (publicObject) =>
    run(
      Effect.gen(function* () {
        const { ref, key } = yield* startSoftHsm({ key: { kind: "rsa2048", publicObject } })
        expect(pemOf(yield* ref.ask("PublicKey", { key: {} }, within))).toBe(key.publicKeyPem)
      })
    )
  )

  it("is shown without a PIN when a public object is there, and costs no login", () =>
    run(
      Effect.gen(function* () {
        const { ref, script, key } = yield* startScripted()
        const der = yield* ref.ask("PublicKey", { key: by("pkcs11:object=my-key;type=public") }, within)
        expect(pemOf(der)).toBe(key.publicKeyPem)
        expect(script.calls("C_Login")).toBe(0)
      })
    ))
})

describe("lists", () => {
  it("tokens, those that wait to be initialised included, within the scope", () =>
    run(
      Effect.gen(function* () {
        const { ref, token } = yield* startSoftHsm()
        const listed = yield* ref.ask("ListTokens", undefined, within)
        expect(listed).toEqual(
          expect.arrayContaining([
            expect.objectContaining({ label: "my-token", serial: token.serial, initialized: true }),
            expect.objectContaining({ label: "", initialized: false })
          ])
        )
      })
    ))

  it("keys that the URI allows, both halves, and needs the PIN", () =>
    run(
      Effect.gen(function* () {
        const { ref } = yield* startSoftHsm({ key: { kind: "rsa2048" } })
        const listed = yield* ref.ask("ListKeys", { token: by("pkcs11:object=my-key") }, within)
        expect(listed.map(({ kind, keyType, label }) => [kind, keyType, label])).toEqual([
          ["private", "RSA", "my-key"],
          ["public", "RSA", "my-key"]
        ])
        expect(yield* ref.ask("ListKeys", { token: by("pkcs11:object=none") }, within)).toEqual([])
        expect(yield* Effect.flip(ref.ask("ListKeys", { token: by("pkcs11:", "999") }, within))).toMatchObject({
          _tag: "PinRejected"
        })
      })
    ))
})

describe("deleting", () => {
  it("destroys both halves of one key and leaves the others", () =>
    run(
      Effect.gen(function* () {
        const { ref, sign, token } = yield* startSoftHsm()
        token.importKey({ id: "02", label: "other" })
        const gone = yield* ref.ask("DeleteKey", { key: by("pkcs11:token=my-token;id=%01") }, within)
        expect(gone).toHaveLength(2)
        const left = yield* ref.ask("ListKeys", { token: {} }, within)
        expect(left.map(({ label }) => label)).toEqual(["other", "other"])
        expect(yield* Effect.flip(sign(by("pkcs11:id=%01")))).toMatchObject({ _tag: "KeyNotFound" })
      })
    ))

  it("is refused when several keys match, when none is named, and outside of the scope", () =>
    run(
      Effect.gen(function* () {
        const { ref, token } = yield* startSoftHsm({ settings: { scope: uri("pkcs11:object=my-key") } })
        token.importKey({ id: "02" })
        const refusal = (text: string) => Effect.flip(ref.ask("DeleteKey", { key: by(text) }, within))
        expect(yield* refusal("pkcs11:object=my-key")).toMatchObject({
          _tag: "KeyAmbiguous",
          candidates: { length: 2 }
        })
        expect(yield* refusal("pkcs11:token=my-token")).toMatchObject({ _tag: "UriNotUsable" })
        expect(yield* refusal("pkcs11:object=other")).toMatchObject({ _tag: "OutsideScope" })
        expect(yield* ref.ask("ListKeys", { token: {} }, within)).toHaveLength(4)
      })
    ))
})

describe("a token that holds few keys", () => {
  it("is said to be nearly full before it is: OP-TEE, which cannot delete any more when it is full", () =>
    run(
      Effect.gen(function* () {
        const { ref, script, token, events } = yield* startScripted({}, "own")
        script.setToken("my-token", { manufacturer: "Linaro", model: "OP-TEE TA" })
        const create = ref.ask("CreateKey", { token: {}, parameters: p256, label: "k", id: undefined }, within)
        for (let key = 2; key < 14; key++) token.importKey({ label: `k${key}`, id: `f${key.toString(16)}` })
        const nearlyFull = () => events.filter(({ _tag }) => _tag === "TokenNearlyFull")
        yield* create
        expect(nearlyFull()).toEqual([])
        yield* create
        expect(nearlyFull()).toEqual([{ _tag: "TokenNearlyFull", token: "my-token", keys: 15 }])
      })
    ))
})

describe("initialising", () => {
  it("makes a token that can be used at once, by its new slot and serial", () =>
    run(
      Effect.gen(function* () {
        const { ref } = yield* startSoftHsm()
        const order = { token: {}, label: "ünï", soPin: pin("11111111"), pin: pin("2222") }
        const made = yield* ref.ask("InitToken", order, within)
        expect(made).toMatchObject({ label: "ünï", initialized: true, model: "SoftHSM v2" })
        const listed = yield* ref.ask("ListTokens", undefined, within)
        expect(listed).toContainEqual(made)
        const token = { uri: made.uri, pin: pin("2222") }
        yield* ref.ask("CreateKey", { token, parameters: p256, label: "k", id: undefined }, within)
      })
    ))

  it("leaves a token alone that is initialised, and takes no label that does not fit", () =>
    run(
      Effect.gen(function* () {
        const { ref, script } = yield* startScripted()
        const order = { label: "new", soPin: pin("11111111"), pin: pin("2222") }
        const named = by("pkcs11:token=my-token")
        expect(yield* Effect.flip(ref.ask("InitToken", { token: named, ...order }, within))).toMatchObject({
          _tag: "UriNotUsable"
        })
        for (const label of ["ü".repeat(17), "", "  ", "a\0b", "a\nb", "a\x1b[2J", "x  ", " x", "x\u00a0"]) {
          const refusal = yield* Effect.flip(ref.ask("InitToken", { ...order, token: {}, label }, within))
          expect(refusal, JSON.stringify(label)).toMatchObject({ _tag: "NameNotUsable", what: "label" })
        }
        expect(script.calls("C_InitToken")).toBe(0)
      })
    ))
})

describe("changing the PIN", () => {
  it("by the old one: the old one is refused from then on, the new one signs", () =>
    run(
      Effect.gen(function* () {
        const { ref, sign } = yield* startSoftHsm()
        yield* sign({})
        yield* ref.ask("ChangePin", { token: {}, newPin: pin("777777"), by: { kind: "change" } }, within)
        yield* sign(by("pkcs11:", "777777"))
        expect(yield* Effect.flip(sign({}))).toMatchObject({ _tag: "PinRejected" })
      })
    ))

  it("by a wrong old one is a refused PIN like any other", () =>
    run(
      Effect.gen(function* () {
        const { ref, script } = yield* startScripted()
        const order = { token: by("pkcs11:", "999999"), newPin: pin("777777"), by: { kind: "change" } } as const
        expect(yield* Effect.flip(ref.ask("ChangePin", order, within))).toMatchObject({ reason: "incorrect" })
        expect(yield* Effect.flip(ref.ask("ChangePin", order, within))).toMatchObject({ reason: "latched" })
        expect(script.calls("C_SetPIN")).toBe(1)
      })
    ))

  it("to one the token does not take is no mark against the old one", () =>
    run(
      Effect.gen(function* () {
        const { ref, sign } = yield* startSoftHsm()
        const order = { token: {}, newPin: pin("1"), by: { kind: "change" } } as const
        expect(yield* Effect.flip(ref.ask("ChangePin", order, within))).toMatchObject({ reason: "invalid" })
        yield* sign({})
      })
    ))

  it("by the SO PIN lifts the latch, and a wrong SO PIN is tried once", () =>
    run(
      Effect.gen(function* () {
        const { ref, sign } = yield* startSoftHsm({ settings: { defaultPin: undefined } })
        for (const wrong of ["999999", "888888"]) yield* Effect.flip(sign(by("pkcs11:", wrong)))
        const reset = (soPin: string) =>
          ref.ask("ChangePin", { token: {}, newPin: pin("777777"), by: { kind: "reset", soPin: pin(soPin) } }, within)
        expect(yield* Effect.flip(reset("00000000"))).toMatchObject({ reason: "incorrect" })
        expect(yield* Effect.flip(reset("00000000"))).toMatchObject({ reason: "latched" })
        yield* reset("12345678")
        const signature = yield* sign(by("pkcs11:", "777777"))
        expect(signature.length).toBeGreaterThan(message.length)
      })
    ))

  it("that was cut off is an unknown outcome", () =>
    run(
      Effect.gen(function* () {
        const { ref, script } = yield* startScripted({ limits: { ...defaultLimits, loginMs: 700 } })
        script.set({ C_SetPIN: { hang: true, times: 1 } })
        const order = { token: {}, newPin: pin("777777"), by: { kind: "change" } } as const
        expect(yield* Effect.flip(ref.ask("ChangePin", order, within))).toMatchObject({
          _tag: "OutcomeUnknown",
          operation: "change-pin"
        })
      })
    ))
})

describe("what another process made", () => {
  it("is found without a restart, and a key that is merely missing costs one host only", () =>
    run(
      Effect.gen(function* () {
        const { sign, token, events } = yield* startSoftHsm()
        yield* sign({})
        yield* Effect.flip(sign(by("pkcs11:id=%42")))
        const made = token.importKey({ id: "42" })
        expect(isSignature(yield* sign(by("pkcs11:id=%42")), made.publicKeyPem)).toBe(true)
        for (const missing of ["%43", "%44", "%43"]) yield* Effect.flip(sign(by(`pkcs11:id=${missing}`)))
        expect(events.filter(({ _tag }) => _tag === "HostReplaced").length).toBeLessThanOrEqual(1)
      })
    ))
})

describe("many new keys at once", () => {
  it("are made one after the other, and a signature waits for the one that is being made, at most", () =>
    run(
      Effect.gen(function* () {
        const { ref, sign, script } = yield* startScripted({}, "own")
        yield* sign(by("pkcs11:object=my-key"))
        script.set({ C_GenerateKeyPair: { delayMs: 300 } })
        const order = (label: string) => ({ token: {}, parameters: p256, label, id: undefined })
        // More than a token's requests at once, so that they would fill its places.
        const orders = Array.from({ length: 80 }, (_, index) => ref.ask("CreateKey", order(`new ${index}`), within))
        const making = yield* Effect.forkChild(Effect.all(orders, { concurrency: "unbounded" }))
        while (script.calls("C_GenerateKeyPair") < 1) yield* Effect.sleep("10 millis")
        for (let turn = 0; turn < 3; turn++) {
          const before = script.calls("C_GenerateKeyPair")
          yield* sign(by("pkcs11:object=my-key"))
          // The one that ran when it was asked for; the next may have begun by the time the answer is here.
          expect(script.calls("C_GenerateKeyPair") - before).toBeLessThanOrEqual(1)
        }
        yield* Fiber.interrupt(making)
      })
    ))

  it("of one label are refused but for the first, where only a new label will do", () =>
    run(
      Effect.gen(function* () {
        const { ref } = yield* startSoftHsm()
        const order = { token: {}, parameters: p256, label: "same", id: undefined, onlyNewLabel: true }
        const made = yield* Effect.all(
          Array.from({ length: 4 }, () => Effect.result(ref.ask("CreateKey", order, within))),
          { concurrency: "unbounded" }
        )
        expect(made.filter((one) => one._tag === "Success")).toHaveLength(1)
        for (const one of made)
          if (one._tag === "Failure") expect(one.failure).toMatchObject({ _tag: "LabelTaken", label: "same" })
        const trailing = yield* Effect.flip(ref.ask("CreateKey", { ...order, label: "my-key " }, within))
        expect(["LabelTaken", "NameNotUsable"]).toContain(trailing._tag)
      })
    ))
})

describe("several keys that match", () => {
  it("the one of the certificate is chosen, the first where none is", () =>
    run(
      Effect.gen(function* () {
        const { ref, events } = yield* startSoftHsm()
        const order = { token: {}, parameters: p256, label: "my-key", id: undefined }
        const made = [yield* ref.ask("CreateKey", order, within), yield* ref.ask("CreateKey", order, within)]
        const choose = (publicKey?: Uint8Array) =>
          ref.ask(
            "ChooseScheme",
            { offered: ["ecdsa_secp256r1_sha256"], key: by("pkcs11:object=my-key"), publicKey },
            within
          )
        const first = yield* choose()
        for (const { publicKey, uri: wanted } of made) {
          const chosen = yield* choose(publicKey)
          expect(chosen.key.uri).toMatchObject({ id: wanted.id })
          const shown = printPkcs11Uri(wanted, { pin: "shown" })
          expect(events.at(-1)).toMatchObject({ _tag: "SeveralKeysMatched", taken: shown })
          const signed = yield* ref.ask("Sign", { key: chosen.key, scheme: undefined, message }, within)
          expect(isSignature(signed.signature, pemOf(publicKey), "sha256")).toBe(true)
          expect(signed.key).toMatchObject({ id: wanted.id })
        }
        expect((yield* choose(Uint8Array.of(0x30, 0))).key).toEqual(first.key)
      })
    ))
})
