/** What a token, its module or its host can do to us, and what becomes of the request. On the scripted module. */

import { readFileSync } from "node:fs"
import { Effect, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { defaultLimits } from "../../../../src/actors/cryptoki/settings.ts"
import { isAlive } from "../../../support/is-alive.ts"
import { signal as sendSignal } from "../../../support/signal.ts"
import { by, isSignature, pin, run, startScripted } from "../module-kit.ts"

/** Short enough for a test, long enough for a busy machine. */
const short = { ...defaultLimits, listMs: 1500, loginMs: 1500, signMs: 1500 }

describe("a fault of the session", () => {
  it.each([
    "CKR_SESSION_HANDLE_INVALID",
    "CKR_SESSION_CLOSED",
    "CKR_KEY_HANDLE_INVALID",
    "CKR_OBJECT_HANDLE_INVALID",
    "CKR_OPERATION_ACTIVE",
    "CKR_BUFFER_TOO_SMALL",
    "CKR_USER_NOT_LOGGED_IN"
  ] as const)("%s is healed by a new session, with the same host", (code) =>
    run(
      Effect.gen(function* () {
        const { sign, script, key, events } = yield* startScripted()
        yield* sign({})
        script.set({ C_SignInit: { code, times: 1 } })
        expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
        expect(script.processes()).toHaveLength(1)
        expect(events).toEqual([])
      })
    )
  )

  it("that comes back after a new session is healed by a new host", () =>
    run(
      Effect.gen(function* () {
        const { sign, script, key, events } = yield* startScripted()
        script.set({ C_SignInit: { code: "CKR_SESSION_CLOSED", times: 2 } })
        expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
        expect(script.processes()).toHaveLength(2)
        expect(events).toContainEqual({
          _tag: "HostReplaced",
          token: "my-token",
          reason: "C_SignInit: CKR_SESSION_CLOSED"
        })
      })
    ))

  it("that stays costs a host every four seconds at most, for all requests together", () =>
    run(
      Effect.gen(function* () {
        const { sign, script } = yield* startScripted()
        script.set({ C_SignInit: { code: "CKR_SESSION_CLOSED" } })
        const until = Date.now() + 6000
        const client = Effect.whileLoop({
          while: () => Date.now() < until,
          body: () => Effect.exit(sign({})),
          step: () => undefined
        })
        yield* Effect.all([client, client, client], { concurrency: "unbounded" })
        expect(script.processes().length).toBeLessThanOrEqual(7)
        expect(script.calls("C_Login")).toBeLessThanOrEqual(14)
      })
    ))

  it.each([
    ["create-key", "C_GenerateKeyPair"],
    ["delete-key", "C_DestroyObject"],
    ["change-pin", "C_SetPIN"]
  ] as const)("renews a login that was lost in %s", (operation, call) =>
    run(
      Effect.gen(function* () {
        const { ref, script } = yield* startScripted({}, "own")
        const within = { within: 60_000 }
        yield* ref.ask("ListKeys", { token: {} }, within)
        script.set({ [call]: { code: "CKR_USER_NOT_LOGGED_IN", times: 1 } })
        const parameters = { type: "ecdsa", curve: "p256" } as const
        if (operation === "create-key")
          yield* ref.ask("CreateKey", { token: {}, label: "new", id: undefined, parameters }, within)
        if (operation === "delete-key") yield* ref.ask("DeleteKey", { key: by("pkcs11:id=%01") }, within)
        if (operation === "change-pin") {
          yield* ref.ask("ChangePin", { token: {}, by: { kind: "change" }, newPin: pin("654321") }, within)
        }
        expect(script.calls(call)).toBeGreaterThanOrEqual(2)
      })
    )
  )

  it("that comes back is refused with its call and code", () =>
    run(
      Effect.gen(function* () {
        const { sign, script } = yield* startScripted()
        script.set({ C_SignInit: { code: "CKR_SESSION_HANDLE_INVALID" } })
        expect(yield* Effect.flip(sign({}))).toMatchObject({
          _tag: "TokenError",
          call: "C_SignInit",
          code: "CKR_SESSION_HANDLE_INVALID"
        })
        // With the first session, with another one, and with another host.
        expect(script.calls("C_SignInit")).toBe(3)
      })
    ))
})

describe("a search that fails", () => {
  it.each([
    ["CKR_SESSION_HANDLE_INVALID", 1],
    ["CKR_GENERAL_ERROR", 2],
    ["CKR_DEVICE_REMOVED", 2]
  ] as const)("once with %s is made again", (code, processes) =>
    run(
      Effect.gen(function* () {
        const { sign, script, key } = yield* startScripted()
        script.set({ C_FindObjects: { code, times: 1 } })
        expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
        expect(script.processes()).toHaveLength(processes)
      })
    )
  )

  it.each(["CKR_GENERAL_ERROR", "CKR_FUNCTION_REJECTED", 0x80000123] as const)(
    "always with %s is refused with its call and code, and the token is as before when it ends",
    (code) =>
      run(
        Effect.gen(function* () {
          const { sign, script, key } = yield* startScripted()
          script.set({ C_FindObjects: { code } })
          const name = typeof code === "number" ? "0x80000123" : code
          expect(yield* Effect.flip(sign({}))).toMatchObject({ call: "C_FindObjects", code: name })
          script.reset()
          expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
        })
      )
  )
})

describe("a token that is slow", () => {
  it("is given more time at each try, and works in the end", () =>
    run(
      Effect.gen(function* () {
        const limits = { ...defaultLimits, listMs: 1000 }
        const { sign, script, key } = yield* startScripted({ limits })
        // Twice for a search: 1, 2 and 4 seconds are tried.
        script.set({ C_FindObjects: { delayMs: 1300 } })
        for (let refused = 0; refused < 2; refused++)
          expect(yield* Effect.flip(sign({}))).toMatchObject({ _tag: "TokenTimeout", call: "objects" })
        expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
      })
    ))
})

describe("a fault of the device or its module", () => {
  it.each([
    "CKR_GENERAL_ERROR",
    "CKR_DEVICE_ERROR",
    "CKR_DEVICE_REMOVED",
    "CKR_DEVICE_MEMORY",
    "CKR_TOKEN_NOT_PRESENT",
    "CKR_TOKEN_NOT_RECOGNIZED",
    "CKR_CRYPTOKI_NOT_INITIALIZED",
    "CKR_FUNCTION_FAILED",
    "CKR_HOST_MEMORY",
    0x80000123
  ] as const)("%s is healed by a new host", (code) =>
    run(
      Effect.gen(function* () {
        const { sign, script, key, events } = yield* startScripted()
        yield* sign({})
        script.set({ C_Sign: { code, times: 1 } })
        expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
        expect(script.processes()).toHaveLength(2)
        expect(events.map(({ _tag }) => _tag)).toContain("HostReplaced")
      })
    )
  )

  it("that stays is refused with its call, its code and the module's own words", () =>
    run(
      Effect.gen(function* () {
        const { sign, script } = yield* startScripted()
        script.set({ C_Sign: { code: 0x80000123, stderr: "the card is\u001b[31m angry about 123456\n" } })
        expect(yield* Effect.flip(sign({}))).toMatchObject({
          _tag: "TokenUnavailable",
          call: "C_Sign",
          code: "0x80000123",
          detail: "the card is [31m angry about [REDACTED]"
        })
        expect(script.processes()).toHaveLength(2)
      })
    ))

  it.each(["C_OpenSession", "C_FindObjectsInit", "C_SignInit", "C_Sign"] as const)(
    "a crash in %s costs one host, not the request",
    (name) =>
      run(
        Effect.gen(function* () {
          const { sign, script, key } = yield* startScripted()
          script.set({ [name]: { crash: "segv", times: 1 } })
          expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
          expect(script.processes()).toHaveLength(2)
        })
      )
  )

  it.each(["C_Initialize", "C_GetSlotList"] as const)(
    "a crash in %s of the new host is only a failed attempt",
    (name) =>
      run(
        Effect.gen(function* () {
          const { sign, script, key } = yield* startScripted()
          yield* sign({})
          script.set({ C_Sign: { crash: "segv", times: 1 }, [name]: { crash: "segv", times: 1 } })
          expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
          expect(script.processes()).toHaveLength(3)
        })
      )
  )

  it("a module that crashes in every signature is refused, and does not start hosts without end", () =>
    run(
      Effect.gen(function* () {
        const { sign, script } = yield* startScripted()
        script.set({ C_Sign: { crash: "segv", stderr: "assertion failed\n" } })
        const refusal = yield* Effect.flip(sign({}))
        expect(refusal).toMatchObject({ _tag: "TokenHostDied", call: "sign", signal: "SIGSEGV" })
        expect(refusal).toHaveProperty("detail", expect.stringContaining("assertion failed"))
        yield* Effect.all(
          Array.from({ length: 20 }, () => Effect.flip(sign({}, undefined, 500))),
          { concurrency: "unbounded" }
        )
        expect(script.processes().length).toBeLessThanOrEqual(4)
      })
    ))

  it.each(["abort", "exit"] as const)("%s() in the module is a death like any other", (crash) =>
    run(
      Effect.gen(function* () {
        const { sign, script, key } = yield* startScripted()
        script.set({ C_Sign: { crash, times: 1 } })
        expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
      })
    )
  )

  it("a module that closes every descriptor of its process is replaced", () =>
    run(
      Effect.gen(function* () {
        const { sign, script, key } = yield* startScripted()
        script.set({ C_Sign: { closeDescriptors: true, times: 1 } })
        expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
      })
    ))
})

describe("a call that hangs", () => {
  it.each(["C_OpenSession", "C_FindObjectsInit", "C_SignInit", "C_Sign"] as const)(
    "in %s ends the host at the call's own limit, and the next request is served",
    (name) =>
      run(
        Effect.gen(function* () {
          const { sign, script, key } = yield* startScripted({ limits: short })
          script.set({ [name]: { hang: true, times: 1 } })
          expect(yield* Effect.flip(sign({}))).toMatchObject({ _tag: "TokenTimeout", token: "my-token" })
          expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
        })
      )
  )

  it("in C_GetSlotList is a time-out of the module", () =>
    run(
      Effect.gen(function* () {
        const { sign, script } = yield* startScripted({ limits: short })
        script.set({ C_GetSlotList: { hang: true, times: 1 } })
        expect(yield* Effect.flip(sign({}))).toMatchObject({ _tag: "TokenTimeout", call: "tokens" })
        yield* sign({})
      })
    ))

  it("in C_Initialize is a time-out of the module", () =>
    run(
      Effect.gen(function* () {
        const { sign, script } = yield* startScripted({ limits: { ...short, initializeMs: 3000 } })
        script.set({ C_Initialize: { hang: true, times: 1 } })
        expect(yield* Effect.flip(sign({}))).toMatchObject({ _tag: "TokenTimeout", call: "load", afterMs: 3000 })
        yield* sign({})
      })
    ))

  it("is not cut short by an asker who gives up, and costs the others nothing", () =>
    run(
      Effect.gen(function* () {
        const { sign, script, key } = yield* startScripted()
        yield* sign({})
        script.set({ C_Sign: { delayMs: 400, times: 1 } })
        expect(yield* Effect.flip(sign({}, undefined, 100))).toMatchObject({ _tag: "AskTimeout" })
        expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
        expect(script.processes()).toHaveLength(1)
      })
    ))

  it("delays neither another token nor a ping", () =>
    run(
      Effect.gen(function* () {
        const { ref, sign, script, directory, token } = yield* startScripted(
          { limits: { ...short, signMs: 60_000 } },
          "own"
        )
        const other = directory.addToken({ label: "other" }).importKey({ id: "05" })
        yield* sign(by(`pkcs11:serial=${token.serial}`))
        yield* sign(by("pkcs11:token=other"))
        script.set({ C_Sign: { hang: "spin", times: 1 } })
        const hanging = yield* Effect.forkChild(Effect.exit(sign(by("pkcs11:token=my-token"))))
        yield* Effect.repeat(Effect.void, { until: () => script.calls("C_Sign") >= 3 })
        yield* ref.ask("Ping", undefined, { within: 30_000 })
        expect(isSignature(yield* sign(by("pkcs11:token=other"), undefined, 30_000), other.publicKeyPem)).toBe(true)
        expect(hanging.pollUnsafe()).toBeUndefined()
        yield* Fiber.interrupt(hanging)
      })
    ))
})

describe("a signature that cannot be one", () => {
  it("of the wrong length is refused", () =>
    run(
      Effect.gen(function* () {
        const { sign, script } = yield* startScripted()
        script.set({ C_Sign: { signature: "truncate" } })
        expect(yield* Effect.flip(sign({}))).toMatchObject({ _tag: "TokenError", call: "C_Sign" })
      })
    ))
})

describe("a token that is pulled out", () => {
  it("refuses within some seconds, reports that it is gone, and is used again when it is back in another slot", () =>
    run(
      Effect.gen(function* () {
        const { sign, script, key, events } = yield* startScripted({ keepPollingMs: 60_000 })
        yield* sign({})
        script.unplug("my-token")
        expect(yield* Effect.flip(sign({}))).toMatchObject({ _tag: "TokenUnavailable", token: "my-token" })
        expect(events.map(({ _tag }) => _tag)).toContain("TokenGone")
        script.plug("my-token", 4711)
        // No request meanwhile: the token actor polls because of the recent one.
        yield* Effect.repeat(Effect.sleep("100 millis"), {
          until: () => events.some(({ _tag }) => _tag === "TokenPlugged")
        })
        expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
      })
    ))

  it("is not replaced by an evil twin: another serial is another token", () =>
    run(
      Effect.gen(function* () {
        const { ref, sign, script } = yield* startScripted()
        const offered = ["ecdsa_secp256r1_sha256"] as const
        const chosen = yield* ref.ask("ChooseScheme", { offered, key: {} }, { within: 60_000 })
        script.unplug("my-token")
        script.setToken("my-token", { serial: "deadbeef" })
        const refusal = yield* Effect.flip(sign(chosen.key))
        expect(["TokenUnavailable", "TokenNotFound"]).toContain(refusal._tag)
      })
    ))
})

describe("the token host", () => {
  it("gets the PIN over its pipe only: not on the command line, not in the environment", () =>
    run(
      Effect.gen(function* () {
        const secret = "123456"
        const { sign, script } = yield* startScripted({
          environment: {
            ...process.env,
            TEDGE_DEVICE_CRYPTOKI_PIN: secret,
            TPM2_PKCS11_USER_PIN: secret,
            LD_PRELOAD: "",
            NODE_OPTIONS: "--no-warnings",
            LISTEN_FDS: "1",
            NOTIFY_SOCKET: "/nowhere"
          }
        })
        yield* sign({})
        const [host] = script.processes()
        for (const what of ["cmdline", "environ"])
          expect(readFileSync(`/proc/${host}/${what}`, "utf8")).not.toContain(secret)
        expect(readFileSync(`/proc/${host}/environ`, "utf8")).not.toMatch(/LD_PRELOAD|NODE_OPTIONS|LISTEN_|NOTIFY_/)
      })
    ))

  it("outlives the signals a terminal sends to everybody, and ends with its actor", () =>
    Effect.gen(function* () {
      const host = yield* Effect.scoped(
        Effect.gen(function* () {
          const { sign, script, key } = yield* startScripted()
          yield* sign({})
          const [pid = 0] = script.processes()
          for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) sendSignal(pid, signal)
          expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
          expect(script.processes()).toEqual([pid])
          return pid
        })
      )
      expect(isAlive(host)).toBe(false)
    }).pipe(Effect.runPromise))

  it("that ignores the end of its pipe is killed", () =>
    Effect.gen(function* () {
      const host = yield* Effect.scoped(
        Effect.gen(function* () {
          const { sign, script } = yield* startScripted()
          yield* sign({})
          script.set({ C_Finalize: { hang: true } })
          return script.processes()[0] ?? 0
        })
      )
      expect(isAlive(host)).toBe(false)
    }).pipe(Effect.runPromise))
})
