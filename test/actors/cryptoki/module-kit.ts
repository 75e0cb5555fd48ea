/** A CryptokiActor over a SoftHSM2 directory, or over the scripted module in front of it. */
import { createPublicKey, verify } from "node:crypto"
import { join } from "node:path"
import { Effect, Redacted, Result, type Scope } from "effect"
import { afterAll } from "vitest"
import { cryptokiBehaviour } from "../../../src/actors/cryptoki/cryptoki-actor.ts"
import { type CryptokiSettings, defaultLimits } from "../../../src/actors/cryptoki/settings.ts"
import type { CryptokiEvent, CryptokiProtocol, KeySelector } from "../../../src/messages/cryptoki.ts"
import { type Pkcs11Uri, parsePkcs11Uri } from "../../../src/messages/pkcs11-uri.ts"
import type { SignatureScheme } from "../../../src/messages/signature-scheme.ts"
import type { TokenRefusal } from "../../../src/messages/token-refusals.ts"
import { start } from "../../../src/runtime/actor.ts"
import type { AskFailed } from "../../../src/runtime/errors.ts"
import type { ActorRef } from "../../../src/runtime/protocol.ts"
import { type ScriptedModule, scriptedModule } from "../../support/token/scripted-module.ts"
import {
  type ImportOptions,
  type SoftHsmDirectory,
  type SoftHsmToken,
  softhsmDirectory,
  softhsmModulePath,
  type TokenKey
} from "../../support/token/softhsm.ts"
import { freshHost } from "./host/fresh-host.ts"

export interface ModuleKit {
  readonly ref: ActorRef<CryptokiProtocol>
  readonly events: ReadonlyArray<CryptokiEvent>
  /** Signs `message` and gives back the signature, or the refusal as a failure. */
  readonly sign: (
    key: KeySelector,
    scheme?: SignatureScheme,
    withinMs?: number
  ) => Effect.Effect<Uint8Array, TokenRefusal | AskFailed>
}

export const message = Buffer.from("what is signed")
export const pin = (text: string): Redacted.Redacted<string> => Redacted.make(text)
export const uri = (text: string): Pkcs11Uri => Result.getOrThrow(parsePkcs11Uri(text))
export const by = (text: string, withPin?: string): KeySelector => ({
  uri: uri(text),
  ...(withPin === undefined ? {} : { pin: pin(withPin) })
})

export const startModule = (
  place: { readonly dir: string; readonly modulePath: string; readonly env: NodeJS.ProcessEnv },
  settings: Partial<CryptokiSettings> = {}
): Effect.Effect<ModuleKit, never, Scope.Scope> =>
  Effect.gen(function* () {
    yield* Effect.promise(freshHost)
    const events: Array<CryptokiEvent> = []
    const ref = yield* start<CryptokiProtocol, never, never>({
      name: "cryptoki",
      mailbox: { capacity: 256, overflow: { policy: "refuse" } },
      behaviour: cryptokiBehaviour(
        {
          modulePath: place.modulePath,
          defaultPin: pin("123456"),
          scope: undefined,
          latchDirectory: join(place.dir, "latch"),
          limits: defaultLimits,
          idleHostEnds: false,
          keepPollingMs: 0,
          ...settings,
          environment: { ...process.env, ...settings.environment, ...place.env }
        },
        { publish: (event) => Effect.sync(() => void events.push(event)) }
      )
    })
    return {
      ref,
      events,
      sign: (key, scheme, withinMs = 60_000) =>
        Effect.map(ref.ask("Sign", { key, scheme, message }, { within: withinMs }), ({ signature }) => signature)
    }
  })

export interface TokenKit extends ModuleKit {
  readonly directory: SoftHsmDirectory
  readonly token: SoftHsmToken
  readonly key: TokenKey
}

/** "my-token" (PIN 123456) with one P-256 key: label my-key, id 01. */
export const startSoftHsm = (
  options: { readonly key?: ImportOptions; readonly settings?: Partial<CryptokiSettings> } = {}
): Effect.Effect<TokenKit, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { directory, token, key } = yield* softHsm(options.key)
    const kit = yield* startModule(directory, options.settings)
    return { ...kit, directory, token, key }
  })

export interface ScriptedKit extends TokenKit {
  readonly script: ScriptedModule
}

/** The same token for all tests of a file, which must leave it as it was, each behind a scripted module of its own. */
export const startScripted = (
  settings: Partial<CryptokiSettings> = {},
  token: "shared" | "own" = "shared"
): Effect.Effect<ScriptedKit, never, Scope.Scope> =>
  Effect.gen(function* () {
    const soft = yield* token === "own" ? softHsm() : Effect.sync(sharedSoftHsm)
    const script = yield* Effect.acquireRelease(
      Effect.sync(() => scriptedModule(softhsmModulePath())),
      ({ cleanup }) => Effect.sync(cleanup)
    )
    const kit = yield* startModule({ ...soft.directory, dir: script.dir, modulePath: script.modulePath }, settings)
    return { ...kit, ...soft, script }
  })

const softHsm = (options?: ImportOptions) =>
  Effect.map(
    Effect.acquireRelease(Effect.sync(softhsmDirectory), ({ cleanup }) => Effect.sync(cleanup)),
    (directory) => withKey(directory, options)
  )

const withKey = (directory: SoftHsmDirectory, options?: ImportOptions) => {
  const token = directory.addToken()
  return { directory, token, key: token.importKey(options) }
}

let shared: ReturnType<typeof withKey> | undefined
const sharedSoftHsm = () => {
  shared ??= withKey(softhsmDirectory())
  return shared
}
afterAll(() => {
  shared?.directory.cleanup()
  shared = undefined
})

export const run = <A>(scenario: Effect.Effect<A, unknown, Scope.Scope>): Promise<A> =>
  Effect.runPromise(Effect.scoped(scenario))

/** Of `message`, by the key of a PEM. */
export const isSignature = (signature: Uint8Array, publicKeyPem: string, hash = "sha256"): boolean =>
  verify(hash, message, createPublicKey(publicKeyPem), signature)
