/** A token behind CryptokiActor as a TLS signer, for measurements. */
import { Effect, Exit, Redacted, Scope } from "effect"
import { cryptokiBehaviour } from "../../src/actors/cryptoki/cryptoki-actor.ts"
import { defaultLimits } from "../../src/actors/cryptoki/settings.ts"
import { schemeOf } from "../../src/messages/signature-scheme.ts"
import type { TlsSigner } from "../../src/platform/tls-client-signature.ts"
import * as Actor from "../../src/runtime/actor.ts"

export { connectTls } from "../../src/platform/tls-signer-stream.ts"

export interface BenchToken {
  readonly modulePath: string
  readonly pin: string
  readonly latchDirectory: string
  readonly environment: NodeJS.ProcessEnv
}

export const tokenSigner = async (token: BenchToken) => {
  const scope = await Effect.runPromise(Scope.make())
  const behaviour = cryptokiBehaviour(
    {
      modulePath: token.modulePath,
      defaultPin: Redacted.make(token.pin),
      scope: undefined,
      latchDirectory: token.latchDirectory,
      latchGroup: undefined,
      limits: defaultLimits,
      idleHostEnds: false,
      keepLookingMs: 0,
      environment: token.environment
    },
    { publish: () => Effect.void }
  )
  const mailbox = { capacity: 256, overflow: { policy: "refuse" } } as const
  const starting = Actor.start({ name: "cryptoki", mailbox, behaviour })
  const ref = await Effect.runPromise(Scope.provide(starting, scope))
  const offered = ["ecdsa_secp256r1_sha256"] as const
  const { key } = await Effect.runPromise(ref.ask("ChooseScheme", { offered, key: {} }, { within: "30 seconds" }))
  const sign: TlsSigner = (codePoint, message) =>
    Effect.runPromise(ref.ask("Sign", { key, scheme: schemeOf(codePoint), message }, { within: "30 seconds" }))
  return { sign, close: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}
