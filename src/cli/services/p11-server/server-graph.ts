/**
 * The actors of tedge-p11-server, and what happens when one of them fails.
 *
 *   tokens     cryptoki: parked when it keeps failing; clients get the reason
 *   listener   the server: ends the process when it keeps failing, so that the service manager restarts it
 *
 * The listener starts before the module is loaded, and is stopped first: it finishes the accepted requests.
 */
import { Cause, Effect, type Scope } from "effect"
import { cryptokiBehaviour } from "../../../actors/cryptoki/cryptoki-actor.ts"
import { type CryptokiSettings, requestMailbox } from "../../../actors/cryptoki/settings.ts"
import { type P11ServerSpec, p11ServerBehaviour } from "../../../actors/p11-server/p11-server-actor.ts"
import type { CryptokiEvent, CryptokiProtocol } from "../../../messages/cryptoki.ts"
import type { ListenFailed, P11ServerProtocol } from "../../../messages/p11-server.ts"
import { type Address, address, child } from "../../../runtime/actor.ts"
import type { AskFailed } from "../../../runtime/errors.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"
import { StartFailed, type SupervisorExit } from "../../../runtime/supervision.ts"
import { Supervisor } from "../../../runtime/supervisor.ts"
import { refusalsLoggedByCaller } from "../../terminal/actor-log.ts"

/** Address of the tokens' actor, which the listener has before that actor runs. */
export const tokensPlace = Effect.suspend(() =>
  address<CryptokiProtocol>({ name: "p11-server/cryptoki", mailbox: requestMailbox })
)

export const startTokens = (
  place: Address<CryptokiProtocol>,
  settings: CryptokiSettings,
  publish: (event: CryptokiEvent) => Effect.Effect<void>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const starting = Supervisor.start({
      name: "tokens",
      strategy: "one_for_one",
      intensity: { max: 5, within: "1 minute" },
      backoff: { initial: "200 millis", maximum: "1 minute", factor: 4, jitter: 0.2, resetAfter: "5 minutes" },
      onExhausted: "park",
      children: [child(place, cryptokiBehaviour(settings, { publish }), { restart: "permanent" })]
    })
    // It owns nothing that could fail; a failure is a bug of ours.
    yield* Effect.orDie(starting)
  })

export interface Listener {
  readonly server: ActorRef<P11ServerProtocol>
  /** It failed too often. */
  readonly gaveUp: Effect.Effect<SupervisorExit>
}

/** `isOwnSocket`: false if passed by a service manager; then it can be listened on only once. */
export const startListener = (
  spec: P11ServerSpec,
  { isOwnSocket }: { readonly isOwnSocket: boolean }
): Effect.Effect<Listener, ListenFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const place = yield* address<P11ServerProtocol>({
      name: "p11-server/listener",
      mailbox: { capacity: 64, overflow: { policy: "refuse" } }
    })
    const handle = yield* Supervisor.start({
      name: "listener",
      strategy: "one_for_one",
      intensity: { max: 5, within: "1 minute" },
      backoff: { initial: "200 millis", maximum: "5 seconds", factor: 4, jitter: 0.2, resetAfter: "1 minute" },
      onExhausted: "escalate",
      children: [
        child(place, p11ServerBehaviour(spec), {
          restart: "permanent",
          stopWithin: "25 seconds",
          decide: () => (isOwnSocket ? "restart" : "escalate"),
          // Without settings the tokens' actor is started later; until then it gets no requests.
          peers: spec.policy.unread === undefined ? [spec.cryptoki] : []
        })
      ]
    }).pipe(
      Effect.catch((failure) => {
        const reason = failure instanceof StartFailed ? Cause.squash(failure.cause) : failure
        return isListenFailed(reason) ? Effect.fail(reason) : Effect.die(reason)
      })
    )
    return { server: place.ref, gaveUp: handle.awaitExit }
  }).pipe(refusalsLoggedByCaller)

const isListenFailed = (reason: unknown): reason is ListenFailed =>
  typeof reason === "object" && reason !== null && "_tag" in reason && reason._tag === "ListenFailed"

/** Fails if one of them does not respond in time. CryptokiActor responds for its token actors, too. */
export const actorsAnswer = (
  /** Undefined: not started, for lack of settings. */
  cryptoki: ActorRef<CryptokiProtocol> | undefined,
  server: ActorRef<P11ServerProtocol>
): Effect.Effect<void, AskFailed> =>
  Effect.andThen(
    cryptoki?.ask("Ping", undefined, timeout) ?? Effect.void,
    Effect.asVoid(server.ask("Status", undefined, timeout))
  )

const timeout = { within: "10 seconds" } as const
