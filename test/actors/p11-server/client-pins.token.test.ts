/** Clients of the signing service who try PINs: none finds one, and none keeps the others from their token. */
import { createVerify } from "node:crypto"
import { readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { Effect, Redacted } from "effect"
import { describe, expect, it } from "vitest"
import { cryptokiBehaviour } from "../../../src/actors/cryptoki/cryptoki-actor.ts"
import { CKF_USER_PIN_FINAL_TRY } from "../../../src/actors/cryptoki/pkcs11/pkcs11-constants.ts"
import { defaultLimits } from "../../../src/actors/cryptoki/settings.ts"
import type { CryptokiEvent } from "../../../src/messages/cryptoki.ts"
import type { P11ServerEvent } from "../../../src/messages/p11-server.ts"
import { type ScriptedModule, scriptedModule } from "../../support/token/scripted-module.ts"
import { softhsmDirectory } from "../../support/token/softhsm.ts"
import { ask, serving } from "./served.ts"

interface Kit {
  readonly scripted: ScriptedModule
  readonly latches: string
  /** Signs as a user; answers `signed`, or the text of the error. */
  readonly sign: (uid: number, pin?: string) => Promise<string>
  readonly changePin: (uid: number, oldPin: string) => Promise<string>
  readonly told: ReadonlyArray<CryptokiEvent>
  readonly events: ReadonlyArray<P11ServerEvent>
}

const message = Uint8Array.from(Buffer.from("to be signed"))
const ownUid = 990
const secret = (pin: string | undefined) => (pin === undefined ? undefined : Redacted.make(pin))

/** A token of a maker whose tokens may lock, PIN 123456, behind the service of user 990. */
const scenario = (defaultPin: string | undefined, body: (kit: Kit) => Promise<void>) =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const directory = yield* Effect.acquireRelease(Effect.sync(softhsmDirectory), (made) =>
          Effect.sync(made.cleanup)
        )
        const scripted = yield* Effect.acquireRelease(
          Effect.sync(() => scriptedModule(directory.modulePath)),
          (made) => Effect.sync(made.cleanup)
        )
        scripted.setToken("*", { manufacturer: "Maker" })
        const key = directory.addToken({ label: "one" }).importKey({ label: "key" })
        const latches = join(directory.dir, "latch")
        const told: Array<CryptokiEvent> = []
        const settings = {
          modulePath: scripted.modulePath,
          defaultPin: secret(defaultPin),
          scope: undefined,
          latchDirectory: latches,
          limits: defaultLimits,
          idleHostEnds: false,
          keepPollingMs: 0,
          environment: { ...process.env, ...directory.env }
        }
        const publish = (event: CryptokiEvent) => Effect.sync(() => void told.push(event))
        let uid = 0
        const { socketPath, events } = yield* serving(cryptokiBehaviour(settings, { publish }), {
          limits: { readMs: 10_000, writeMs: 10_000 },
          policy: {
            defaultPin: secret(defaultPin),
            rules: [{ who: { uid: 1009 }, operations: ["sign", "change-pin"] }]
          },
          spec: { ownUid, clientOf: () => ({ uid, gid: uid, pid: 1 }) }
        })
        const as = <A>(user: number, asking: () => Promise<A>) => {
          uid = user
          return asking()
        }
        const sign = (user: number, pin?: string) =>
          as(user, async () => {
            const uri = "pkcs11:token=one;object=key"
            const answer = await ask(socketPath, { _tag: "SignRequest", toSign: message, uri, pin: secret(pin) })
            if (answer._tag === "Error") return answer.message
            const signature = answer._tag === "SignResponse" ? answer.signature : new Uint8Array()
            return createVerify("sha256").update(message).verify(key.publicKeyPem, signature) ? "signed" : "other"
          })
        const changePin = (user: number, oldPin: string) =>
          as(user, async () => {
            const answer = await ask(socketPath, {
              _tag: "ChangePinRequest",
              uri: "pkcs11:token=one",
              newPin: Redacted.make("123456"),
              oldPin: Redacted.make(oldPin),
              soPin: undefined,
              reset: false
            })
            return answer._tag === "Error" ? answer.message : "changed"
          })
        yield* Effect.promise(() => body({ scripted, latches, sign, changePin, told, events }))
      })
    )
  )

const paused = /this user gave too many wrong PINs; its PINs are not checked until \d{4}-\S+Z \((\d+(?:\.\d)?) s\)/

describe("a client that tries PINs", () => {
  it("of an open token has three looked at, and then hears the same of a wrong one and of the right one", () =>
    scenario("123456", async ({ sign, scripted, told, events }) => {
      expect(await sign(990)).toBe("signed")
      for (let n = 0; n < 3; n++) expect(await sign(1001, `00000${n}`)).toContain("The specified PIN is incorrect")
      const masked = (text: string) => text.replace(/until \S+ \(\S+ s\)/, "until …")
      const wrong = await sign(1001, "000004")
      const right = await sign(1001, "123456")
      expect(wrong).toMatch(paused)
      expect(Number(paused.exec(wrong)?.[1])).toBeGreaterThan(50)
      expect(masked(right)).toBe(masked(wrong))
      expect(scripted.calls("C_Login")).toBe(1)
      expect(told).toContainEqual({ _tag: "ClientPinsPaused", token: "one", client: 1001, forMs: 60_000 })
      const refused = events.filter((event) => event._tag === "RequestRefused")
      expect(refused.map(({ client }) => client.uid)).toEqual([1001, 1001, 1001, 1001, 1001])
      // It may go on without a PIN of its own, and others may go on with the right one.
      expect([await sign(1001), await sign(1002, "123456")]).toEqual(["signed", "signed"])
    }))

  it("with hundreds of requests at once has three looked at", () =>
    scenario("123456", async ({ sign }) => {
      expect(await sign(990)).toBe("signed")
      const texts = await Promise.all(Array.from({ length: 200 }, (_, n) => sign(1001, `9${n}`)))
      expect(texts.filter((text) => !paused.test(text))).toHaveLength(3)
    }))

  it("before the login too: the answer for the kept try is no oracle", () =>
    scenario("123456", async ({ sign, scripted }) => {
      await sign(1001, "000001")
      const guesses = await Promise.all(Array.from({ length: 20 }, (_, n) => sign(1001, `00001${n}`)))
      expect(guesses.filter((text) => !paused.test(text))).toHaveLength(2)
      expect(await sign(1001, "123456")).toMatch(paused)
      expect(scripted.calls("C_Login")).toBe(1)
    }))

  it("as the old PIN of a change has no more", () =>
    scenario("123456", async ({ sign, changePin }) => {
      expect(await sign(990)).toBe("signed")
      for (let n = 0; n < 3; n++) await changePin(1009, `00000${n}`)
      expect(await changePin(1009, "123456")).toMatch(paused)
    }))

  it("starts again after clear-pin-latch took its file away, and after a right one", () =>
    scenario("123456", async ({ sign, latches }) => {
      expect(await sign(990)).toBe("signed")
      for (let n = 0; n < 3; n++) await sign(1001, `00000${n}`)
      expect(await sign(1001, "123456")).toMatch(paused)
      for (const name of readdirSync(latches)) if (name.endsWith(".clients")) rmSync(join(latches, name))
      expect(await sign(1001, "123456")).toBe("signed")
      for (let n = 0; n < 10; n++) {
        expect(await sign(1001, "000000")).toContain("The specified PIN is incorrect")
        expect(await sign(1001, "123456")).toBe("signed")
      }
    }))

  it("is not root, and not the service's own user", () =>
    scenario("123456", async ({ sign }) => {
      expect(await sign(990)).toBe("signed")
      for (const uid of [0, ownUid])
        for (let n = 0; n < 10; n++) expect(await sign(uid, `00000${n}`)).toContain("The specified PIN is incorrect")
      expect([await sign(0, "123456"), await sign(ownUid, "123456")]).toEqual(["signed", "signed"])
    }))
})

describe("wrong PINs of clients", () => {
  it("do not keep out a client with the right one, nor root, where the service has no PIN", () =>
    scenario(undefined, async ({ sign, scripted }) => {
      for (const pin of ["000001", "000002", "000003"]) expect(await sign(1001, pin)).not.toBe("signed")
      expect(scripted.calls("C_Login")).toBe(1)
      expect(await sign(1002, "123456")).toBe("signed")
    }))

  it("reach a token twice at most, whatever the number of clients; root and the own user are still accepted", () =>
    scenario(undefined, async ({ sign, scripted }) => {
      for (let n = 0; n < 6; n++) expect(await sign(1001 + n, `00000${n}`)).not.toBe("signed")
      expect(scripted.calls("C_Login")).toBe(2)
      scripted.setToken("*", { manufacturer: "Maker", setFlags: CKF_USER_PIN_FINAL_TRY })
      expect(await sign(0, "123456")).toContain("has one PIN try left")
      scripted.setToken("*", { manufacturer: "Maker" })
      expect(await sign(0, "123456")).toBe("signed")
    }))

  it("leave the other try to the PIN that succeeded last, though the service has another", () =>
    scenario("999999", async ({ sign, scripted }) => {
      expect(await sign(1001, "123456")).toBe("signed")
      // The host ends twice, and with it the login.
      scripted.set({ C_SignInit: { crash: "segv", times: 2 } })
      await sign(1001, "123456")
      const before = scripted.calls("C_Login")
      expect(await sign(1002, "000001")).toContain("The specified PIN is incorrect")
      expect(await sign(1003, "000002")).toContain("is reserved for the PIN that last succeeded")
      expect(await sign(1001, "123456")).toBe("signed")
      expect(scripted.calls("C_Login")).toBe(before + 2)
    }))
})
