/** A token behind CryptokiActor as a TLS signer, for measurements; with the mapper's scheduler. */
import { Effect, Exit, Redacted, Scheduler, Scope } from "effect"
import { cryptokiBehaviour } from "../../src/actors/cryptoki/cryptoki-actor.ts"
import { defaultLimits } from "../../src/actors/cryptoki/settings.ts"
import { schemeOf } from "../../src/messages/signature-scheme.ts"
import type { TlsSigner } from "../../src/platform/tls/tls-client-signature.ts"
import * as Actor from "../../src/runtime/actor.ts"
import { turnScheduler } from "../../src/runtime/primitives/turn-scheduler.ts"

export { connectTls } from "../../src/platform/tls/tls-signer-stream.ts"
export { trustStore } from "../../src/platform/tls/trust-store.ts"

export interface BenchToken {
  readonly modulePath: string
  readonly pin: string
  readonly latchDirectory: string
  readonly environment: NodeJS.ProcessEnv
}

const scheduler = turnScheduler()
const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromise(Effect.provideService(effect, Scheduler.Scheduler, scheduler))

export const tokenSigner = async (token: BenchToken) => {
  const scope = await run(Scope.make())
  const behaviour = cryptokiBehaviour(
    {
      modulePath: token.modulePath,
      defaultPin: Redacted.make(token.pin),
      scope: undefined,
      latchDirectory: token.latchDirectory,
      limits: defaultLimits,
      idleHostEnds: false,
      keepPollingMs: 0,
      environment: token.environment
    },
    { publish: () => Effect.void }
  )
  const mailbox = { capacity: 256, overflow: { policy: "refuse" } } as const
  const starting = Actor.start({ name: "cryptoki", mailbox, behaviour })
  const ref = await run(Scope.provide(starting, scope))
  const offered = ["ecdsa_secp256r1_sha256"] as const
  const { key } = await run(ref.ask("ChooseScheme", { offered, key: {} }, { within: "30 seconds" }))
  const sign: TlsSigner = async (codePoint, message) => {
    const asked = ref.ask("Sign", { key, scheme: schemeOf(codePoint), message }, { within: "30 seconds" })
    return (await run(asked)).signature
  }
  return { sign, close: () => run(Scope.close(scope, Exit.void)) }
}
