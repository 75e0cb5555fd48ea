/** A wrong PIN everywhere at once: in clients that try again, a service that is restarted, a mapper and a command. */
import { join } from "node:path"
import { Effect, Redacted } from "effect"
import { describe, expect, it, onTestFinished } from "vitest"
import { run } from "../../../../scripts/lib/run.mjs"
import { message, startModule } from "../../../actors/cryptoki/module-kit.ts"
import { ask } from "../../../actors/p11-server/served.ts"
import { executable } from "../../../support/device/device.ts"
import { type ScriptedModule, scriptedModule } from "../../../support/token/scripted-module.ts"
import { type ServerPlace, type ServerProcess, serverPlace } from "./server-process.ts"

const rightPin = "123456"

/** One token, whose module counts the logins of all processes. */
const countedPlace = (): { readonly place: ServerPlace; readonly scripted: ScriptedModule } => {
  const place = serverPlace()
  const scripted = scriptedModule(place.hsm.modulePath)
  onTestFinished(scripted.cleanup)
  place.hsm.addToken({ pin: rightPin }).importKey()
  return { place, scripted }
}

const startServer = (place: ServerPlace, scripted: ScriptedModule, pin: string): ServerProcess =>
  place.start({
    onlyArgs: ["--config-dir", join(place.dir, "config"), "--socket-path", place.socketPath],
    env: { TEDGE_DEVICE_CRYPTOKI_MODULE_PATH: scripted.modulePath, TEDGE_DEVICE_CRYPTOKI_PIN: pin }
  })

const signRequest = (pin: string | undefined) =>
  ({
    _tag: "SignRequest",
    toSign: message,
    uri: "pkcs11:object=my-key",
    pin: pin === undefined ? undefined : Redacted.make(pin)
  }) as const

/** The error's text, `signed`, or `cut` when the service was not there. */
const trySigning = async (socketPath: string, pin: string | undefined): Promise<string> => {
  try {
    const answer = await ask(socketPath, signRequest(pin))
    return answer._tag === "Error" ? answer.message : "signed"
  } catch {
    return "cut"
  }
}

/** Every client asks again and again, with the service's own PIN, a wrong one, or a new guess each time. */
const clients = (socketPath: string, isOver: () => boolean): Promise<ReadonlyArray<string>> =>
  Promise.all(
    Array.from({ length: 50 }, async (_, client) => {
      const pin = (attempt: number) =>
        [`guess ${client} ${attempt}`, "wrong", undefined, "wrong", undefined][client % 5]
      const texts: Array<string> = []
      for (let attempt = 0; attempt < 3 || !isOver(); attempt++) {
        texts.push(await trySigning(socketPath, pin(attempt)))
        await new Promise((resolve) => setTimeout(resolve, 250))
      }
      return texts
    })
  ).then((texts) => texts.flat())

/** A mapper's way to the same token. */
const mapper = (place: ServerPlace, scripted: ScriptedModule, isOver: () => boolean): Promise<ReadonlyArray<string>> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const where = { dir: place.dir, modulePath: scripted.modulePath, env: place.hsm.env }
        const latchDirectory = join(place.dir, "run", "tedge-pin-latch")
        const settings = { defaultPin: Redacted.make("also wrong"), program: "mapper", latchDirectory }
        const { sign } = yield* startModule(where, settings)
        const refusals: Array<string> = []
        while (refusals.length < 3 || !isOver()) {
          refusals.push((yield* Effect.flip(sign({}, undefined, 30_000)))._tag)
          yield* Effect.sleep("250 millis")
        }
        return refusals
      })
    )
  )

/** A person's command beside them. */
const command = (place: ServerPlace, scripted: ScriptedModule) =>
  run(executable("tedge"), ["--config-dir", join(place.dir, "config"), "hsm", "list-keys"], {
    env: {
      PATH: process.env.PATH ?? "",
      ...place.hsm.env,
      TEDGE_RUN_PATH: join(place.dir, "run"),
      TEDGE_DEVICE_CRYPTOKI_MODE: "module",
      TEDGE_DEVICE_CRYPTOKI_MODULE_PATH: scripted.modulePath,
      TEDGE_DEVICE_CRYPTOKI_PIN: "wrong in the settings"
    }
  })

describe("wrong PINs in 50 clients, a service started three times, a mapper and a command", () => {
  it("reach the token at most twice in all", async () => {
    const { place, scripted } = countedPlace()
    let isOver = false
    const mapping = mapper(place, scripted, () => isOver)
    const asking = clients(place.socketPath, () => isOver)
    const commanded: Array<number | null> = []
    for (const end of ["SIGTERM", "SIGKILL", "SIGTERM"] as const) {
      const server = startServer(place, scripted, "wrong")
      await server.logged("Server listening")
      // Requests of all kinds are in progress when it ends.
      for (let asked = 0; asked < 2; asked++) await trySigning(place.socketPath, "wrong")
      commanded.push((await command(place, scripted)).code)
      server.child.kill(end)
      await server.ended
    }
    isOver = true
    const texts = await asking
    expect(texts.filter((text) => text === "signed")).toEqual([])
    expect(texts.filter((text) => text.includes("The specified PIN is incorrect")).length).toBeGreaterThan(50)
    expect(new Set(await mapping)).toEqual(new Set(["PinRejected"]))
    expect(commanded).toEqual([1, 1, 1])
    expect(scripted.calls("C_Login")).toBeGreaterThan(0)
    expect(scripted.calls("C_Login")).toBeLessThanOrEqual(2)
    // The token itself never locked, and the latch is not for ever.
    const last = startServer(place, scripted, rightPin)
    await last.logged("Server listening")
    await run(executable("tedge"), ["--config-dir", join(place.dir, "config"), "hsm", "clear-pin-latch"], {
      env: {
        PATH: process.env.PATH ?? "",
        ...place.hsm.env,
        TEDGE_RUN_PATH: join(place.dir, "run"),
        TEDGE_DEVICE_CRYPTOKI_MODE: "module",
        TEDGE_DEVICE_CRYPTOKI_MODULE_PATH: scripted.modulePath
      }
    })
    expect(await trySigning(place.socketPath, undefined)).toBe("signed")
    last.child.kill("SIGTERM")
    await last.ended
  })

  it("never sign on the login of a client with the right one", async () => {
    const { place, scripted } = countedPlace()
    const server = startServer(place, scripted, rightPin)
    await server.logged("Server listening")
    expect(await trySigning(place.socketPath, undefined)).toBe("signed")
    const mixed = await Promise.all(
      Array.from({ length: 60 }, (_, n) => trySigning(place.socketPath, n % 2 === 0 ? rightPin : `wrong ${n}`))
    )
    expect(mixed.map((text) => text === "signed")).toEqual(mixed.map((_, n) => n % 2 === 0))
    expect(scripted.calls("C_Login")).toBe(1)
    server.child.kill("SIGTERM")
    await server.ended
  })
})
