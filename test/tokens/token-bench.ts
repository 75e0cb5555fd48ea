/** One token on the bench: the commands in this process, our actor for signatures, and pkcs11-tool as the other opinion. */
import { join } from "node:path"
import { Effect, Exit, Redacted, Scope } from "effect"
import { cryptokiBehaviour } from "../../src/actors/cryptoki/cryptoki-actor.ts"
import { defaultLimits } from "../../src/actors/cryptoki/settings.ts"
import type { CryptokiEvent, CryptokiProtocol } from "../../src/messages/cryptoki.ts"
import { start } from "../../src/runtime/actor.ts"
import type { ActorRef } from "../../src/runtime/protocol.ts"
import { type InProcess, tedgeInProcess } from "../support/device/tedge-in-process.ts"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"
import { type KeyMaker, keyMaker, pkcs11Tool } from "../support/token/pkcs11-tool.ts"

/** Where a token is, before anything was made on it. */
export interface TokenPlace {
  readonly modulePath: string
  readonly env: Readonly<Record<string, string>>
  /** How often the module was given a PIN; undefined: not counted. */
  readonly logins?: () => number
  readonly cleanup: () => void | Promise<void>
}

export interface TokenBench {
  readonly place: TokenPlace
  /** `token=…` of the token the behaviours are about. */
  readonly tokenUri: string
  readonly device: InProcess
  readonly cryptoki: () => Promise<ActorRef<CryptokiProtocol>>
  /** Ends the actor, so that no session of it is open. */
  readonly endCryptoki: () => Promise<void>
  readonly otherProgram: KeyMaker
  /** pkcs11-tool's own words, logged in. */
  readonly pkcs11Tool: (...args: ReadonlyArray<string>) => Buffer
  readonly cleanup: () => Promise<void>
}

export const label = "bench"
export const pin = "471147"
export const soPin = "87654321"

/** `tokenLabel`: of a token that cannot be initialised; undefined: created with our label. */
export const tokenBench = (place: TokenPlace, tokenLabel = label): TokenBench => {
  const dir = makeTempDir()
  const device = tedgeInProcess(dir, { environment: place.env })
  const where = { modulePath: place.modulePath, env: place.env, where: ["--token-label", tokenLabel] }
  const actor = cryptokiOnDemand(place, join(dir, "latch"))
  return {
    place,
    tokenUri: `pkcs11:token=${encodeURIComponent(tokenLabel)}`,
    device,
    ...actor,
    otherProgram: keyMaker({ ...where, pin }),
    pkcs11Tool: (...args) => pkcs11Tool(where, "--login", "--pin", pin, ...args),
    cleanup: async () => {
      await actor.endCryptoki()
      await place.cleanup()
      removeTempDir(dir)
    }
  }
}

/** tedge.toml for the token, with the key that is selected. */
export const select = ({ device, place }: TokenBench, keyUri?: string): void =>
  device.settings(
    `${keyUri === undefined ? "" : `device.key_uri = "${keyUri}"\n`}[device.cryptoki]\nmode = "module"\nmodule_path = "${place.modulePath}"\npin = "${pin}"\n`
  )

const cryptokiOnDemand = (place: TokenPlace, latchDirectory: string) => {
  let scope: Scope.Closeable | undefined
  let started: Promise<ActorRef<CryptokiProtocol>> | undefined
  const settings = {
    modulePath: place.modulePath,
    defaultPin: Redacted.make(pin),
    scope: undefined,
    latchDirectory,
    limits: defaultLimits,
    idleHostEnds: false,
    keepPollingMs: 0,
    environment: { ...process.env, ...place.env }
  }
  const publish = (_event: CryptokiEvent) => Effect.void
  const starting = start({
    name: "cryptoki",
    mailbox: { capacity: 16, overflow: { policy: "refuse" } },
    behaviour: cryptokiBehaviour(settings, { publish })
  })
  return {
    cryptoki: () => {
      scope ??= Effect.runSync(Scope.make())
      started ??= Effect.runPromise(Scope.provide(starting, scope))
      return started
    },
    endCryptoki: async () => {
      if (scope !== undefined) await Effect.runPromise(Scope.close(scope, Exit.void))
      scope = undefined
      started = undefined
    }
  }
}
