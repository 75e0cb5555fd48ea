/** A signature that waits (a touch, a slow token) makes no events: its process says itself that it is not idle. */
import { Effect, Fiber } from "effect"
import { expect, it, vi } from "vitest"
import { BusyChecks, CurrentBusyChecks } from "../../../src/platform/process/busy-checks.ts"
import { by, isSignature, run, startScripted } from "./module-kit.ts"

it("a process is busy while a signature waits for its token, and no longer", async () => {
  const busy = new BusyChecks()
  const scenario = Effect.gen(function* () {
    const { script, sign, key } = yield* startScripted()
    yield* sign(by("pkcs11:object=my-key"))
    expect(busy.isBusy()).toBe(false)
    script.set({ C_Sign: { hang: true } })
    const before = script.calls("C_Sign")
    const waiting = yield* Effect.forkChild(Effect.exit(sign(by("pkcs11:object=my-key"))))
    yield* Effect.promise(() => vi.waitUntil(() => script.calls("C_Sign") > before, 30_000))
    expect(busy.isBusy()).toBe(true)
    script.reset()
    for (const pid of script.processes().slice(-1)) process.kill(pid, "SIGKILL")
    yield* Fiber.join(waiting)
    expect(busy.isBusy()).toBe(false)
    expect(isSignature(yield* sign(by("pkcs11:object=my-key")), key.publicKeyPem)).toBe(true)
  })
  await run(Effect.provideService(scenario, CurrentBusyChecks, busy))
})
