/** Which CryptokiActor the settings ask for: over a local module, over the signing service's socket, or none. */

import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { cryptokiBehaviour } from "../actors/cryptoki/cryptoki-actor.ts"
import { type CryptokiSettings, defaultLimits } from "../actors/cryptoki/settings.ts"
import { socketCryptokiBehaviour } from "../actors/cryptoki/socket-cryptoki-actor.ts"
import type { CryptokiEvent, CryptokiProtocol } from "../messages/cryptoki.ts"
import type { Settings } from "../messages/settings/resolved-settings.ts"
import { CryptokiOff } from "../messages/token-refusals.ts"
import * as Actor from "../runtime/actor.ts"
import type { ActorRef } from "../runtime/protocol.ts"

export interface CryptokiComposition {
  readonly settings: Settings
  readonly environment: NodeJS.ProcessEnv
  readonly publish: (event: CryptokiEvent) => Effect.Effect<void>
  /** Short-lived commands do not wait for tokens to come back. The server keeps its token hosts. */
  readonly lifetime: "command" | "mapper" | "server"
}

export const cryptokiMailbox: Actor.MailboxSpec = { capacity: 256, overflow: { policy: "refuse" } }

export const startCryptokiActor = (
  composition: CryptokiComposition
): Effect.Effect<ActorRef<CryptokiProtocol>, never, Scope.Scope> =>
  Actor.start({ name: "cryptoki", mailbox: cryptokiMailbox, behaviour: behaviourFor(composition) })

export const behaviourFor = ({
  settings,
  environment,
  publish,
  lifetime
}: CryptokiComposition): Actor.Behaviour<CryptokiProtocol> => {
  const { cryptoki } = settings
  if (cryptoki.mode === "off") return refusing("device.cryptoki.mode")
  if (cryptoki.mode === "socket") return socketCryptokiBehaviour({ socketPath: cryptoki.socketPath })
  if (cryptoki.modulePath === undefined) return refusing("device.cryptoki.module_path")
  const module: CryptokiSettings = {
    modulePath: cryptoki.modulePath,
    defaultPin: cryptoki.pin,
    scope: cryptoki.uri,
    latchDirectory: join(settings.run.path, "tedge-pin-latch"),
    latchGroup: undefined,
    limits: defaultLimits,
    idleHostEnds: lifetime === "mapper",
    keepLookingMs: lifetime === "command" ? 0 : 60_000,
    environment
  }
  return cryptokiBehaviour(module, { publish })
}

/** Every request is refused with the setting that is missing. */
const refusing = (missing: string): Actor.Behaviour<CryptokiProtocol> => {
  const refuse = () => Effect.fail(new CryptokiOff({ missing }))
  return {
    init: () =>
      Effect.succeed({
        Ping: () => Effect.void,
        ChooseScheme: refuse,
        Sign: refuse,
        PublicKey: refuse,
        ListTokens: refuse,
        ListKeys: refuse,
        CreateKey: refuse,
        InitToken: refuse,
        ChangePin: refuse,
        DeleteKey: refuse,
        ClearPinLatch: refuse
      })
  }
}
