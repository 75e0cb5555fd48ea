/** CryptokiActor in module mode over a test token, as the contract's cases begin with it. */
import { join } from "node:path"
import { Effect } from "effect"
import { cryptokiBehaviour } from "../../../src/actors/cryptoki/cryptoki-actor.ts"
import { defaultLimits } from "../../../src/actors/cryptoki/settings.ts"
import type { CryptokiEvent } from "../../../src/messages/cryptoki.ts"
import { start } from "../../../src/runtime/actor.ts"

export interface ModuleToken {
  readonly dir: string
  readonly env: Readonly<Record<string, string>>
  readonly modulePath: string
  /** Puts a P-256 key on the token; answers its public half as PEM. */
  readonly addKey: (label: string, id: string) => string
}

export const moduleMode = (token: ModuleToken, signMs = defaultLimits.signMs) =>
  Effect.gen(function* () {
    const events: Array<CryptokiEvent> = []
    const settings = {
      modulePath: token.modulePath,
      defaultPin: undefined,
      scope: undefined,
      latchDirectory: join(token.dir, "latch"),
      limits: { ...defaultLimits, signMs },
      idleHostEnds: false,
      keepPollingMs: 0,
      environment: { ...process.env, ...token.env }
    }
    const publish = (event: CryptokiEvent) => Effect.sync(() => void events.push(event))
    const cryptoki = yield* start({
      name: "cryptoki",
      mailbox: { capacity: 64, overflow: { policy: "refuse" } },
      behaviour: cryptokiBehaviour(settings, { publish })
    })
    const publicKeyPem = token.addKey("my-key", "01")
    const addKey = (label: string, id: string) => void token.addKey(label, id)
    return { cryptoki, publicKeyPem, addKey, events: () => events }
  })
