/** When the watchdog is notified: both actors answer from their mailboxes, whatever the tokens do. */
import { Effect } from "effect"
import type { CryptokiProtocol } from "../../../messages/cryptoki.ts"
import type { P11ServerProtocol } from "../../../messages/p11-server.ts"
import type { AskFailed } from "../../../runtime/errors.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"

/** Fails when one of them does not answer in time. CryptokiActor answers for its token actors, too. */
export const actorsAnswer = (
  /** Undefined: it is not started, as there are no settings for it. */
  cryptoki: ActorRef<CryptokiProtocol> | undefined,
  server: ActorRef<P11ServerProtocol>
): Effect.Effect<void, AskFailed> =>
  Effect.andThen(
    cryptoki?.ask("Ping", undefined, timeout) ?? Effect.void,
    Effect.asVoid(server.ask("Status", undefined, timeout))
  )

const timeout = { within: "10 seconds" } as const
