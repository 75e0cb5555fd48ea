/** The signing service over real tokens that are pulled out, hang and crash, with many clients at once. */
import { createVerify } from "node:crypto"
import { join } from "node:path"
import { Effect, Redacted, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import { cryptokiBehaviour } from "../../../src/actors/cryptoki/cryptoki-actor.ts"
import { defaultLimits } from "../../../src/actors/cryptoki/settings.ts"
import { isAlive } from "../../support/is-alive.ts"
import { signal } from "../../support/signal.ts"
import { type ScriptedModule, scriptedModule } from "../../support/token/scripted-module.ts"
import { type SoftHsmDirectory, softhsmDirectory } from "../../support/token/softhsm.ts"
import { ask, serving } from "./served.ts"

interface Kit {
  readonly socketPath: string
  readonly scripted: ScriptedModule
  readonly directory: SoftHsmDirectory
  readonly publicKeyPem: string
  /** Signs with the key of a token; answers the text of the error, or what was signed with. */
  readonly sign: (token: string, pin?: string) => Promise<string>
}

const message = Uint8Array.from(Buffer.from("to be signed"))

/** Tokens "one" and "two" with a P-256 key each, behind a scripted module, the actor and the service. */
const kit: Effect.Effect<Kit, unknown, Scope.Scope> = Effect.gen(function* () {
  const directory = yield* Effect.acquireRelease(Effect.sync(softhsmDirectory), (made) => Effect.sync(made.cleanup))
  const scripted = yield* Effect.acquireRelease(
    Effect.sync(() => scriptedModule(directory.modulePath)),
    (made) => Effect.sync(made.cleanup)
  )
  const [one] = ["one", "two"].map((label) => directory.addToken({ label }).importKey({ label: "key" }))
  const settings = {
    modulePath: scripted.modulePath,
    defaultPin: Redacted.make("123456"),
    scope: undefined,
    latchDirectory: join(directory.dir, "latch"),
    limits: defaultLimits,
    idleHostEnds: false,
    keepPollingMs: 0,
    environment: { ...process.env, ...directory.env }
  }
  const { socketPath } = yield* serving(cryptokiBehaviour(settings, { publish: () => Effect.void }), {
    limits: { readMs: 10_000, writeMs: 10_000 }
  })
  const publicKeyPem = one?.publicKeyPem ?? ""
  const sign = async (token: string, pin?: string) => {
    const uri = `pkcs11:token=${token};object=key`
    const answer = await ask(socketPath, {
      _tag: "SignRequest",
      toSign: message,
      uri,
      pin: pin === undefined ? undefined : Redacted.make(pin)
    })
    if (answer._tag === "Error") return answer.message
    const signature = answer._tag === "SignResponse" ? answer.signature : new Uint8Array()
    return createVerify("sha256").update(message).verify(publicKeyPem, signature) ? "one" : "another key"
  }
  return { socketPath, scripted, directory, publicKeyPem, sign }
})

const scenario = (body: (kit: Kit) => Promise<void>) =>
  Effect.runPromise(Effect.scoped(Effect.flatMap(kit, (made) => Effect.promise(() => body(made)))))
const together = <A>(count: number, work: (index: number) => Promise<A>) =>
  Promise.all(Array.from({ length: count }, (_, index) => work(index)))

describe("the signing service over tokens", () => {
  it("lets one wrong PIN reach a token, whatever 50 clients try: the other try is for its own PIN", () =>
    scenario(async ({ sign, scripted }) => {
      const first = await together(50, () => sign("one", "wrong"))
      expect(first.every((text) => text.includes("The specified PIN is incorrect"))).toBe(true)
      expect(scripted.calls("C_Login")).toBe(1)
      await together(50, (index) => sign("one", `guess ${index}`))
      await together(50, () => sign("one", "wrong"))
      expect(scripted.calls("C_Login")).toBe(1)
      expect([await sign("one"), scripted.calls("C_Login")]).toEqual(["one", 2])
    }))

  it("does not let a client with a wrong PIN sign on another's login", () =>
    scenario(async ({ sign }) => {
      expect(await sign("one")).toBe("one")
      const texts = await together(20, (index) => sign("one", `wrong ${index}`))
      expect(texts.some((text) => text === "one")).toBe(false)
      expect(await sign("one")).toBe("one")
    }))

  it("serves one token while another hangs", () =>
    scenario(async ({ sign, scripted, socketPath }) => {
      // A token that was quick the last time is given up after four seconds.
      scripted.set({ C_Sign: { delayMs: 5 } })
      expect([await sign("one"), await sign("two")]).toEqual(["one", "another key"])
      scripted.set({ C_Sign: { hang: true, times: 1 } })
      let hasEnded = false
      const hung = sign("two").finally(() => {
        hasEnded = true
      })
      while (scripted.calls("C_Sign") < 3) await ask(socketPath, { _tag: "Ping" })
      expect(await together(20, () => sign("one"))).toEqual(Array(20).fill("one"))
      expect(hasEnded).toBe(false)
      for (const host of scripted.processes().filter(isAlive)) signal(host, "SIGKILL")
      await hung
    }))

  it("works again after its module crashed in the middle of a signature", () =>
    scenario(async ({ sign, scripted }) => {
      for (const crash of ["segv", "abort", "exit"] as const) {
        scripted.set({ C_Sign: { crash, times: 1 } })
        await sign("one")
        expect(await sign("one")).toBe("one")
      }
    }))

  it("works again within 5 s of a token that comes back in another slot, with clients waiting", () =>
    scenario(async ({ sign, scripted }) => {
      expect(await sign("one")).toBe("one")
      scripted.unplug("one")
      expect(await sign("one")).toMatch(/^PKCS #11 service failed: /)
      scripted.plug("one", 4711)
      const backAt = performance.now()
      while ((await sign("one")) !== "one") expect(performance.now() - backAt).toBeLessThan(5000)
    }))
})
