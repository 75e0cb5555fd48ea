/** What CryptokiActor does with time, and with keys that no test token has; on a clock that the test moves. */
import { Deferred, Effect, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import type { TokenInfo } from "../../../src/actors/cryptoki/pkcs11/values.ts"
import { requestMailbox } from "../../../src/actors/cryptoki/settings.ts"
import { passTime, settled, withTestClock } from "../../../src/testing/test-clock.ts"
import { type FakeModule, someKey, someToken, startFake } from "./host/fake-host.ts"
import { by, message } from "./module-kit.ts"

const within = { within: "1 hour" } as const
const order = { key: {}, scheme: undefined, message }

describe("a signature", () => {
  it("that takes over two seconds is reported once as waiting for the token", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref, events } = yield* startFake({}, { signMs: 30_000 })
        const signing = yield* Effect.forkChild(ref.ask("Sign", order, within))
        yield* passTime("1900 millis")
        expect(events).toEqual([])
        yield* passTime("20 seconds")
        expect(events).toEqual([{ _tag: "TokenWaits", token: "t", forMs: 2000 }])
        yield* passTime("10 seconds")
        yield* Fiber.join(signing)
      })
    ))

  it("that is quick is not reported, and calls the module once", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref, events, module } = yield* startFake()
        yield* ref.ask("Sign", order, within)
        yield* passTime("1 minute")
        expect(events).toEqual([])
        expect(module.asked.filter(({ name }) => name === "sign")).toHaveLength(1)
      })
    ))

  it("by a key that was chosen searches nothing, also within a scope, until the session is another", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref, module } = yield* startFake({ scope: { token: "t" } })
        const { key } = yield* ref.ask("ChooseScheme", { key: {}, offered: ["ecdsa_secp256r1_sha256"] }, within)
        const before = module.asked.length
        for (let n = 0; n < 2; n++) yield* ref.ask("Sign", { ...order, key }, within)
        expect(module.asked.slice(before).map(({ name }) => name)).toEqual(["sign", "sign"])
        module.hangs = 1
        const again = yield* Effect.forkChild(Effect.exit(ref.ask("Sign", { ...order, key }, within)))
        yield* passTime("65 seconds")
        yield* Fiber.join(again)
        const later = module.asked.length
        yield* ref.ask("Sign", { ...order, key }, within)
        expect(module.asked.slice(later).map(({ name }) => name)).toContain("objects")
      })
    ))

  it("is one of four that a host is given at once, and of sixty-four while its token is quick", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref, module } = yield* startFake({}, { signMs: 1000 })
        const signatures = Array.from({ length: 100 }, () => ref.ask("Sign", order, within))
        const given = () => module.asked.filter(({ name }) => name === "sign").length
        const signing = yield* Effect.forkChild(Effect.all(signatures, { concurrency: "unbounded" }))
        yield* settled
        expect(given()).toBe(4)
        module.isQuick = true
        yield* passTime("1 second")
        expect(given()).toBe(4 + 64)
        module.isQuick = false
        yield* passTime("1 second")
        expect(given()).toBe(4 + 64 + 4)
        yield* passTime("20 seconds")
        yield* Fiber.join(signing)
      })
    ))

  it("that hangs on a token that was quick is made again after four seconds, by a host that gets its full time", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref, module } = yield* startFake({}, { isQuick: true })
        yield* ref.ask("Sign", order, within)
        module.hangs = 1
        const again = yield* Effect.forkChild(ref.ask("Sign", order, within))
        yield* passTime("4 seconds")
        yield* Fiber.join(again)
        expect(module.started).toHaveLength(2)
        module.hangs = 2
        const refused = yield* Effect.forkChild(Effect.flip(ref.ask("Sign", order, { within: "2 minutes" })))
        yield* passTime("65 seconds")
        expect(yield* Fiber.join(refused)).toMatchObject({ _tag: "TokenTimeout", call: "sign", afterMs: 60_000 })
      })
    ))

  it("has a minute on a token that may wait for a finger, and is not made again", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref, module } = yield* startFake()
        yield* ref.ask("Sign", order, within)
        module.hangs = 1
        const refused = yield* Effect.forkChild(Effect.flip(ref.ask("Sign", order, within)))
        yield* passTime("1 minute")
        expect(yield* Fiber.join(refused)).toMatchObject({ _tag: "TokenTimeout", call: "sign", afterMs: 60_000 })
      })
    ))

  it("by a key that always wants its PIN brings the PIN, and a plain key does not", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref, module } = yield* startFake()
        yield* ref.ask("Sign", order, within)
        module.objects = [{ ...someKey, id: Uint8Array.of(2), alwaysAuthenticate: true }]
        yield* ref.ask("Sign", { ...order, key: by("pkcs11:id=%02") }, within)
        const signs = module.asked.filter(({ name }) => name === "sign")
        expect(signs.map(({ asked }) => "contextPin" in asked && asked.contextPin)).toEqual([undefined, "1234"])
      })
    ))

  it("by a key that always wants its PIN and refuses it is not tried a second time", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref, module } = yield* startFake({}, { objects: [{ ...someKey, alwaysAuthenticate: true }] })
        module.contextLogin = 0xa0
        expect(yield* Effect.flip(ref.ask("Sign", order, within))).toMatchObject({ reason: "incorrect" })
        expect(yield* Effect.flip(ref.ask("Sign", order, within))).toMatchObject({ reason: "latched" })
        expect(module.asked.filter(({ name }) => name === "sign")).toHaveLength(1)
      })
    ))

  it("by an RSA key too short for TLS, a key of another type or on an unknown curve is refused", () =>
    withTestClock(
      Effect.gen(function* () {
        for (const odd of [{ keyType: 0 }, { keyType: 0x99 }, { curve: Uint8Array.of(1, 2, 3) }]) {
          const { ref } = yield* startFake({}, { objects: [{ ...someKey, ...odd }] })
          expect(yield* Effect.flip(ref.ask("Sign", order, within))).toMatchObject({ _tag: "SchemeNotSupported" })
        }
      })
    ))
})

describe("a token that hangs", () => {
  it("refuses more than its mailbox holds, and the other tokens are still asked", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref, module } = yield* startFake({}, { tokens: [someToken("t"), { ...someToken("other"), slot: "1" }] })
        const sign = (token: string) => ref.ask("Sign", { ...order, key: by(`pkcs11:token=${token}`) }, within)
        yield* sign("t")
        module.hangs = Number.POSITIVE_INFINITY
        const refused = yield* Deferred.make<unknown>()
        const asking = Effect.catch(sign("t"), (refusal) => Deferred.succeed(refused, refusal))
        for (let asked = 0; asked <= 64 + requestMailbox.capacity; asked += 1000) {
          yield* Effect.forkScoped(
            Effect.all(
              Array.from({ length: 1000 }, () => asking),
              { concurrency: "unbounded" }
            )
          )
          // Behind them in the mailbox of CryptokiActor: they are at the token's.
          yield* ref.ask("Ping", undefined, within)
        }
        expect(yield* Deferred.await(refused)).toMatchObject({ _tag: "TokenUnavailable", detail: "Undeliverable" })
        module.hangs = 0
        expect(yield* sign("other")).toHaveProperty("signature")
      })
    ))
})

describe("a token that was never seen", () => {
  it("is looked for at most once in 30 seconds, however often it is asked for", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref, module } = yield* startFake({}, { tokens: [] })
        for (let second = 0; second < 65; second++) {
          expect(yield* Effect.flip(ref.ask("Sign", order, within))).toMatchObject({ _tag: "TokenNotFound" })
          yield* passTime("1 second")
        }
        expect(module.started).toEqual([0, 30, 60])
      })
    ))

  it("is looked for at once when the tokens were listed for another reason before it came", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref, module } = yield* startFake({}, { tokens: [someToken("first")] })
        yield* ref.ask("ListTokens", undefined, within)
        yield* passTime("5 seconds")
        module.tokens = [someToken("later")]
        yield* ref.ask("Sign", { ...order, key: by("pkcs11:token=later") }, within)
        for (const nowhere of ["a", "b", "c"])
          yield* Effect.flip(ref.ask("Sign", { ...order, key: by(`pkcs11:token=${nowhere}`) }, within))
        expect(module.started).toEqual([0, 5])
      })
    ))

  it("is reported when it appears, if it was requested recently", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref, module, events } = yield* startFake({ keepPollingMs: 600_000 }, { tokens: [] })
        const wanted = { ...order, key: by("pkcs11:token=late") }
        yield* Effect.flip(ref.ask("Sign", wanted, within))
        yield* passTime("3 minutes")
        expect(events).toEqual([])
        module.tokens = [someToken("other"), someToken("late")]
        yield* passTime("30 seconds")
        expect(events).toEqual([{ _tag: "TokenPlugged", token: "late" }])
        const hosts = module.started.length
        yield* passTime("1 hour")
        expect(module.started).toHaveLength(hosts)
      })
    ))

  it("is not polled for any longer without requests for some time", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref, module } = yield* startFake({ keepPollingMs: 60_000 }, { tokens: [] })
        yield* Effect.flip(ref.ask("Sign", order, within))
        yield* passTime("1 hour")
        expect(module.started.length).toBeLessThanOrEqual(3)
      })
    ))
})

describe("a key that is on another token than the one that is named", () => {
  const two = { tokens: [someToken("t"), { ...someToken("other"), slot: "1" }], empty: ["0"] }
  const onOtherToken = { token: "other", uri: expect.stringMatching(/token=other;object=k$/), seen: "privateKey" }

  it("is found there without a login, and looked for once in 30 seconds", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref, module } = yield* startFake({}, two)
        const ask = Effect.flip(ref.ask("Sign", { ...order, key: by("pkcs11:token=t;object=k") }, within))
        const searched = () => module.asked.filter(({ asked }) => "slot" in asked && asked.slot === "1").length
        expect(yield* ask).toMatchObject({ _tag: "KeyNotFound", token: "t", onOtherToken })
        const once = searched()
        expect(yield* ask).toMatchObject({ _tag: "KeyNotFound", token: "t", onOtherToken })
        expect(searched()).toBe(once)
        const logins = module.asked.filter(({ name }) => name === "login")
        expect(logins.map(({ asked }) => asked)).toEqual([expect.objectContaining({ slot: "0" })])
      })
    ))

  it("is found when the named token is away", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref, module } = yield* startFake({}, two)
        const key = by("pkcs11:token=lost;object=k")
        const refusal = yield* Effect.flip(ref.ask("Sign", { ...order, key }, within))
        expect(refusal).toMatchObject({ _tag: "TokenNotFound", onOtherToken })
        expect(module.asked.map(({ name }) => name)).not.toContain("login")
      })
    ))

  it("is not looked for when the URI names no key", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref } = yield* startFake({}, two)
        const refusal = yield* Effect.flip(ref.ask("Sign", { ...order, key: by("pkcs11:token=t") }, within))
        expect(refusal).toMatchObject({ _tag: "KeyNotFound", onOtherToken: undefined })
      })
    ))
})

describe("a listing", () => {
  it("is shared by those who ask at once, and its host is taken over by its token actor", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref, module } = yield* startFake()
        const asked = Array.from({ length: 10 }, () => ref.ask("Sign", order, within))
        const all = yield* Effect.forkChild(Effect.all(asked, { concurrency: "unbounded" }))
        yield* settled
        yield* Fiber.join(all)
        expect(module.started).toEqual([0])
      })
    ))
})

describe("a command for one token", () => {
  const uninitialised: TokenInfo = { ...someToken(""), slot: "9", flags: 0 }
  const listed = (module: FakeModule) => module.asked.filter(({ name }) => name === "tokens").length

  it("looks a second time for one in files, which another process may be writing", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref, module } = yield* startFake({}, { manufacturer: "SoftHSM", tokens: [uninitialised] })
        const deleting = yield* Effect.forkChild(
          Effect.flip(ref.ask("DeleteKey", { key: { uri: { token: "t", object: "none" } } }, within))
        )
        yield* settled
        expect(listed(module)).toBe(1)
        module.tokens = [someToken("t"), uninitialised]
        yield* passTime("1 second")
        expect(yield* Fiber.join(deleting)).toMatchObject({ _tag: "KeyNotFound" })
      })
    ))

  it("does not wait for one that is no file", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref, module } = yield* startFake({}, { tokens: [uninitialised] })
        const refused = yield* Effect.flip(
          ref.ask("DeleteKey", { key: { uri: { token: "t", object: "none" } } }, within)
        )
        expect(refused).toMatchObject({ _tag: "TokenNotFound" })
        expect(listed(module)).toBe(1)
      })
    ))
})

describe("without a PIN", () => {
  it("a token that wants one is refused, unless it is SoftHSM2", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref, module } = yield* startFake({ defaultPin: undefined })
        expect(yield* Effect.flip(ref.ask("Sign", order, within))).toMatchObject({ _tag: "PinMissing", token: "t" })
        expect(module.asked.map(({ name }) => name)).not.toContain("login")
      })
    ))
})
