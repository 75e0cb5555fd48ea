/** PINs are tried once, in any process. Logins are counted by the scripted module. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import {
  CKF_LOGIN_REQUIRED,
  CKF_USER_PIN_COUNT_LOW,
  CKF_USER_PIN_FINAL_TRY,
  CKF_USER_PIN_LOCKED
} from "../../../../src/actors/cryptoki/pkcs11/pkcs11-constants.ts"
import { by, isSignature, message, pin, run, startModule, startScripted } from "../module-kit.ts"

const withPin = (text: string) => by("pkcs11:token=my-token", text)
const latchFiles = (dir: string) =>
  (existsSync(join(dir, "latch")) ? readdirSync(join(dir, "latch")) : []).filter((name) => name.endsWith(".json"))

describe("a wrong PIN", () => {
  it("costs one login, for any number of requests", () =>
    run(
      Effect.gen(function* () {
        const { sign, script } = yield* startScripted()
        const refusals = yield* Effect.all(
          Array.from({ length: 30 }, () => Effect.flip(sign(withPin("999999")))),
          { concurrency: "unbounded" }
        )
        expect(script.calls("C_Login")).toBe(1)
        const reasons = refusals.map((refusal) => (refusal._tag === "PinRejected" ? refusal.reason : refusal._tag))
        expect(reasons.filter((reason) => reason === "incorrect")).toHaveLength(1)
        expect(reasons.filter((reason) => reason === "latched")).toHaveLength(29)
      })
    ))

  it("is remembered by other actors, and after a restart", () =>
    run(
      Effect.gen(function* () {
        const { sign, script, directory } = yield* startScripted()
        yield* Effect.flip(sign(withPin("999999")))
        const other = yield* startModule({ ...directory, dir: script.dir, modulePath: script.modulePath })
        expect(yield* Effect.flip(other.sign(withPin("999999")))).toMatchObject({
          _tag: "PinRejected",
          reason: "latched"
        })
        expect(script.calls("C_Login")).toBe(1)
      })
    ))

  it("is on the disk before it is reported, as a mark, readable by the group only", () =>
    run(
      Effect.gen(function* () {
        const { sign, script, events } = yield* startScripted()
        yield* Effect.flip(sign(withPin("999999")))
        const [file = ""] = latchFiles(script.dir)
        const path = join(script.dir, "latch", file)
        expect(readFileSync(path, "utf8")).not.toContain("999999")
        expect(statSync(path).mode & 0o777).toBe(0o640)
        expect(events).toContainEqual({ _tag: "PinLatched", token: "my-token" })
      })
    ))

  it("does not keep the right one from being tried, which then lifts the latch", () =>
    run(
      Effect.gen(function* () {
        const { sign, script, key } = yield* startScripted()
        yield* Effect.flip(sign(withPin("999999")))
        expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
        expect(latchFiles(script.dir)).toEqual([])
      })
    ))

  it("is followed by one other at most, until a person clears the latch", () =>
    run(
      Effect.gen(function* () {
        const { ref, sign, script } = yield* startScripted({ defaultPin: undefined })
        for (const wrong of ["999999", "888888", "777777"]) yield* Effect.flip(sign(withPin(wrong)))
        expect(script.calls("C_Login")).toBe(2)
        expect(yield* Effect.flip(sign(withPin("123456")))).toMatchObject({ reason: "latchedAll" })
        yield* ref.ask("ClearPinLatch", { token: {} }, { within: 60_000 })
        yield* sign(withPin("123456"))
        expect(script.calls("C_Login")).toBe(3)
      })
    ))

  it("that is brought never takes the last try from the PIN of the settings, not even after a restart", () =>
    run(
      Effect.gen(function* () {
        const { sign, script, directory, key } = yield* startScripted()
        yield* Effect.flip(sign(withPin("999999")))
        expect(yield* Effect.flip(sign(withPin("888888")))).toMatchObject({ _tag: "PinRejected", reason: "reserved" })
        const place = { ...directory, dir: script.dir, modulePath: script.modulePath }
        const again = yield* startModule(place)
        expect(yield* Effect.flip(again.sign(withPin("777777")))).toMatchObject({ reason: "reserved" })
        expect(script.calls("C_Login")).toBe(1)
        expect(isSignature(yield* again.sign({}), key.publicKeyPem)).toBe(true)
        expect(script.calls("C_Login")).toBe(2)
      })
    ))

  it("in the settings is forgiven by a new PIN in the settings", () =>
    run(
      Effect.gen(function* () {
        const { sign, script, directory } = yield* startScripted({ defaultPin: pin("999999") })
        yield* Effect.flip(sign({}))
        yield* Effect.flip(sign(withPin("888888")))
        const place = { ...directory, dir: script.dir, modulePath: script.modulePath }
        const unchanged = yield* startModule(place, { defaultPin: pin("999999") })
        expect(yield* Effect.flip(unchanged.sign({}))).toMatchObject({ reason: "latched" })
        const changed = yield* startModule(place, { defaultPin: pin("123456") })
        yield* changed.sign({})
        expect(script.calls("C_Login")).toBe(3)
      })
    ))

  it("waits for a login in another process, and uses its outcome", () =>
    run(
      Effect.gen(function* () {
        const { script, directory } = yield* startScripted()
        const place = { ...directory, dir: script.dir, modulePath: script.modulePath }
        script.set({ C_Login: { delayMs: 300 } })
        const [one, other] = [yield* startModule(place), yield* startModule(place)]
        const refusals = yield* Effect.all(
          [Effect.flip(one.sign(withPin("999999"))), Effect.flip(other.sign(withPin("999999")))],
          { concurrency: "unbounded" }
        )
        expect(script.calls("C_Login")).toBe(1)
        expect(refusals.map((refusal) => "reason" in refusal && refusal.reason).sort()).toEqual([
          "incorrect",
          "latched"
        ])
      })
    ))

  it("appears in no refusal, event or latch", () =>
    run(
      Effect.gen(function* () {
        const { sign, script, events } = yield* startScripted()
        script.set({ C_Login: { stderr: "debug: PIN 31415926 given\n" } })
        const refusals = [
          yield* Effect.flip(sign(withPin("31415926"))),
          yield* Effect.flip(sign(by("pkcs11:token=nowhere?pin-value=31415926"))),
          yield* Effect.flip(sign(by("pkcs11:token=my-token;id=%09?pin-value=31415926")))
        ]
        const kept = latchFiles(script.dir).map((file) => readFileSync(join(script.dir, "latch", file), "utf8"))
        expect(kept).toHaveLength(1)
        const told = [JSON.stringify([refusals, events]), ...refusals.map(String), ...kept].join()
        expect(told).not.toContain("31415926")
      })
    ))
})

describe("what a token says to a PIN", () => {
  it.each([
    ["CKR_PIN_LOCKED", "locked", "locked"],
    ["CKR_PIN_EXPIRED", "expired", "expired"],
    ["CKR_PIN_LEN_RANGE", "invalid", "latched"],
    ["CKR_PIN_INVALID", "invalid", "latched"]
  ] as const)("%s is told as it is, and the PIN is not tried again", (code, first, later) =>
    run(
      Effect.gen(function* () {
        const { sign, script, events } = yield* startScripted()
        script.set({ C_Login: { code } })
        expect(yield* Effect.flip(sign({}))).toMatchObject({ _tag: "PinRejected", reason: first })
        expect(yield* Effect.flip(sign({}))).toMatchObject({ _tag: "PinRejected", reason: later })
        const latched = events.filter(({ _tag }) => _tag === "PinLatched")
        expect(latched).toEqual([
          { _tag: "PinLatched", token: "my-token", ...(first === "locked" && { isLocked: true }) }
        ])
        expect(script.calls("C_Login")).toBe(1)
      })
    )
  )

  it("CKR_GENERAL_ERROR is no refusal: a PIN that worked a minute ago works again, also after a restart", () =>
    run(
      Effect.gen(function* () {
        const { sign, script, directory, key, events } = yield* startScripted()
        script.setToken("*", { manufacturer: "Maker" })
        yield* sign({})
        // The session ends, and the login of the next one fails for a moment.
        script.set({
          C_SignInit: { code: "CKR_SESSION_CLOSED", times: 1 },
          C_Login: { code: "CKR_GENERAL_ERROR", times: 2 }
        })
        expect(yield* Effect.flip(sign({}))).toMatchObject({ code: "CKR_GENERAL_ERROR" })
        expect(events.filter(({ _tag }) => _tag === "PinLatched")).toEqual([])
        const again = yield* startModule({ ...directory, dir: script.dir, modulePath: script.modulePath })
        expect(isSignature(yield* again.sign({}), key.publicKeyPem)).toBe(true)
      })
    ))

  it("a proven PIN is retried with growing delays, each reported with its code", () =>
    run(
      Effect.gen(function* () {
        const { sign, script, key, events } = yield* startScripted()
        script.setToken("*", { manufacturer: "Maker" })
        yield* sign({})
        script.set({
          C_SignInit: { code: "CKR_SESSION_CLOSED", times: 1 },
          C_Login: { code: "CKR_GENERAL_ERROR", times: 3 }
        })
        yield* Effect.flip(sign({}))
        const delayed = yield* Effect.flip(sign({}))
        expect(delayed).toMatchObject({ _tag: "LoginDelayed", detail: "C_Login returned CKR_GENERAL_ERROR" })
        const pauses = events.flatMap((event) => (event._tag === "LoginUnanswered" ? [event.retryInMs] : []))
        expect(pauses).toEqual([1000, 2000, 4000])
        yield* Effect.sleep(4000)
        expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
      })
    ))

  it("a module that returns CKR_GENERAL_ERROR for wrong PINs gets two of them at most, from all clients", () =>
    run(
      Effect.gen(function* () {
        const { sign, script, directory } = yield* startScripted({ defaultPin: pin("999999") })
        script.setToken("*", { manufacturer: "Maker" })
        script.set({ C_Login: { code: "CKR_GENERAL_ERROR" } })
        for (let n = 0; n < 3; n++) yield* Effect.flip(sign({}))
        const place = { ...directory, dir: script.dir, modulePath: script.modulePath }
        const again = yield* startModule(place, { defaultPin: pin("999999") })
        for (const wrong of ["888888", "777777", "999999"])
          expect(yield* Effect.flip(again.sign(withPin(wrong)))).toMatchObject({ reason: "unanswered" })
        expect(script.calls("C_Login")).toBe(2)
        // The person who corrects the setting is believed.
        script.reset()
        script.setToken("*", { manufacturer: "Maker" })
        const corrected = yield* startModule(place, { defaultPin: pin("123456") })
        yield* corrected.sign({})
      })
    ))

  it("no login is made while the token shows that it counted a wrong PIN, until that is over", () =>
    run(
      Effect.gen(function* () {
        const { sign, script } = yield* startScripted()
        script.setToken("*", { manufacturer: "Maker" })
        yield* sign({})
        script.set({
          C_SignInit: { code: "CKR_SESSION_CLOSED", times: 1 },
          C_Login: { code: "CKR_GENERAL_ERROR", times: 1 }
        })
        script.setToken("*", { manufacturer: "Maker", setFlags: CKF_USER_PIN_COUNT_LOW })
        expect(yield* Effect.flip(sign({}))).toMatchObject({ _tag: "PinRejected", reason: "countLow" })
        expect(script.calls("C_Login")).toBe(2)
        script.setToken("*", { manufacturer: "Maker" })
        yield* sign({})
      })
    ))

  it("CKR_GENERAL_ERROR of SoftHSM2 says nothing about the PIN: another process was writing the token's files", () =>
    run(
      Effect.gen(function* () {
        const { sign, script, key } = yield* startScripted()
        script.set({ C_Login: { code: "CKR_GENERAL_ERROR", times: 1 } })
        expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
        expect(latchFiles(script.dir)).toEqual([])
      })
    ))

  it("CKR_DEVICE_ERROR says nothing about the PIN: the token heals and the PIN is tried again", () =>
    run(
      Effect.gen(function* () {
        const { sign, script, key } = yield* startScripted()
        script.set({ C_Login: { code: "CKR_DEVICE_ERROR", times: 1 } })
        expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
        expect(latchFiles(script.dir)).toEqual([])
      })
    ))

  it("CKR_USER_ALREADY_LOGGED_IN is no failure", () =>
    run(
      Effect.gen(function* () {
        const { sign, script } = yield* startScripted()
        script.set({ C_Login: { code: "CKR_USER_ALREADY_LOGGED_IN" }, C_Logout: { code: "CKR_OK" } })
        // SoftHSM2 hides the key without a login, so the key is missing; but it was not a PIN fault.
        expect(yield* Effect.flip(sign({}))).toMatchObject({ _tag: "KeyNotFound" })
        expect(latchFiles(script.dir)).toEqual([])
      })
    ))

  it("CKR_USER_ALREADY_LOGGED_IN is not taken for a right PIN when the module can log out", () =>
    run(
      Effect.gen(function* () {
        const { sign, script, key } = yield* startScripted()
        script.set({ C_Login: { code: "CKR_USER_ALREADY_LOGGED_IN", times: 1 }, C_Logout: { code: "CKR_OK" } })
        yield* Effect.flip(sign(withPin("999999")))
        expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
        expect(script.calls("C_Login")).toBe(3)
      })
    ))

  it("a host that dies twice in the login is not given a third chance, on a token that may lock", () =>
    run(
      Effect.gen(function* () {
        const { sign, script } = yield* startScripted()
        script.setToken("*", { manufacturer: "Maker" })
        script.set({ C_Login: { crash: "segv" } })
        yield* Effect.flip(sign({}))
        expect(yield* Effect.flip(sign({}))).toMatchObject({ _tag: "PinRejected", reason: "unanswered" })
        expect(script.calls("C_Login")).toBe(2)
      })
    ))

  it("a SoftHSM2 token, which never locks, is tried again after any number of crashes", () =>
    run(
      Effect.gen(function* () {
        const { sign, script, key } = yield* startScripted()
        script.set({ C_Login: { crash: "segv", times: 2 } })
        expect(yield* Effect.flip(sign({}))).toMatchObject({ _tag: "TokenHostDied" })
        expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
      })
    ))

  it.each(["CKR_ARGUMENTS_BAD", "CKR_SESSION_CLOSED"] as const)(
    "%s that stays: ten logins in a minute at most",
    (code) =>
      run(
        Effect.gen(function* () {
          const { sign, script } = yield* startScripted()
          script.set({ C_Login: { code } })
          const refusals = yield* Effect.all(
            Array.from({ length: 100 }, () => Effect.flip(sign({}))),
            { concurrency: 20 }
          )
          expect(script.calls("C_Login")).toBeLessThanOrEqual(10)
          expect(refusals.some((refusal) => refusal._tag === "LoginDelayed")).toBe(true)
        })
      )
  )

  it("CKR_SESSION_CLOSED that stays in each signature makes ten logins in a minute at most", () =>
    run(
      Effect.gen(function* () {
        const { sign, script } = yield* startScripted()
        script.set({ C_SignInit: { code: "CKR_SESSION_CLOSED" } })
        yield* Effect.all(
          Array.from({ length: 60 }, () => Effect.flip(sign({}))),
          { concurrency: 4 }
        )
        expect(script.calls("C_Login")).toBeLessThanOrEqual(10)
      })
    ))

  it.each([
    ["finalTry", CKF_USER_PIN_FINAL_TRY],
    ["locked", CKF_USER_PIN_LOCKED]
  ] as const)("the flag for %s keeps us from trying at all", (reason, setFlags) =>
    run(
      Effect.gen(function* () {
        const { sign, script } = yield* startScripted()
        script.setToken("my-token", { setFlags })
        expect(yield* Effect.flip(sign({}))).toMatchObject({ _tag: "PinRejected", reason })
        expect(script.calls("C_Login")).toBe(0)
      })
    )
  )

  it("a token that wants no login gets no PIN", () =>
    run(
      Effect.gen(function* () {
        const { ref, script } = yield* startScripted()
        script.setToken("my-token", { clearFlags: CKF_LOGIN_REQUIRED })
        yield* ref.ask("PublicKey", { key: by("pkcs11:object=my-key;type=public") }, { within: 60_000 })
        yield* Effect.flip(ref.ask("Sign", { key: {}, scheme: undefined, message }, { within: 60_000 }))
        expect(script.calls("C_Login")).toBe(0)
      })
    ))
})

describe("re-insertion", () => {
  it("lets the same PIN be tried once more, once", () =>
    run(
      Effect.gen(function* () {
        const { sign, script } = yield* startScripted()
        yield* sign({})
        const replug = Effect.gen(function* () {
          script.unplug("my-token")
          yield* Effect.flip(sign({}))
          script.plug("my-token")
        })
        // One known module refuses the right PIN after it was plugged in again.
        script.set({ C_Login: { code: "CKR_PIN_INCORRECT", times: 1 } })
        yield* replug
        expect(yield* Effect.flip(sign({}))).toMatchObject({ reason: "incorrect" })
        expect(yield* Effect.flip(sign({}))).toMatchObject({ reason: "latched" })
        yield* replug
        yield* sign({})
      })
    ))
})

describe("without a PIN", () => {
  it("the guide's PIN is tried on SoftHSM2, with a warning", () =>
    run(
      Effect.gen(function* () {
        const { sign, events } = yield* startScripted({ defaultPin: undefined })
        yield* sign({})
        yield* sign({})
        expect(events.filter(({ _tag }) => _tag === "DefaultPinTried")).toHaveLength(1)
      })
    ))

  it("the scope's pin-value is the default, and a pin-value in the request takes precedence over it", () =>
    run(
      Effect.gen(function* () {
        const { sign } = yield* startScripted({
          defaultPin: undefined,
          scope: by("pkcs11:token=my-token?pin-value=999999").uri
        })
        yield* sign(by("pkcs11:object=my-key?pin-value=123456"))
        expect(yield* Effect.flip(sign({}))).toMatchObject({ _tag: "PinRejected", reason: "differs" })
      })
    ))
})
