/**
 * P11ServerActor: CryptokiActor for other processes, behind a UNIX socket.
 *
 * Connections are served beside its messages, each by a fiber of its own. Stopping it stops listening first, then
 * drains. What it serves with may be replaced while it runs.
 */
import type { Socket } from "node:net"
import { Effect, Queue, Scope } from "effect"
import type { CryptokiProtocol } from "../../messages/cryptoki.ts"
import type {
  Client,
  ListenFailed,
  P11ServerEvent,
  P11ServerPolicy,
  P11ServerProtocol
} from "../../messages/p11-server.ts"
import { peerCredentials } from "../../platform/unix-addon.ts"
import type { ActorContext, Behaviour } from "../../runtime/actor.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import { accessOf } from "./access.ts"
import { answerRequest } from "./answer-request.ts"
import { serveConnection, turnAway } from "./connection.ts"
import { type Connection, Connections } from "./connections.ts"
import type { Listen } from "./listening.ts"

export interface P11ServerSpec {
  /** `listenOnPath` or `listenOnDescriptor`. */
  readonly listen: Listen
  readonly cryptoki: ActorRef<CryptokiProtocol>
  readonly policy: P11ServerPolicy
  /** The user the service runs as. */
  readonly ownUid: number
  /** Tells an event to whoever listens; never waits for them. */
  readonly publish: (event: P11ServerEvent) => Effect.Effect<void>
  /** Who connected. Default: what the kernel says (SO_PEERCRED). */
  readonly clientOf?: (socket: Socket) => Client
  /** How long answers that are owed may take when it stops, in milliseconds. Default 20 s. */
  readonly drainMs?: number
}

export const p11ServerBehaviour = (spec: P11ServerSpec): Behaviour<P11ServerProtocol, ListenFailed> => ({
  init: (context) =>
    Effect.gen(function* () {
      const server: ServerState = { spec, policy: spec.policy, connections: new Connections() }
      yield* acceptConnections(server, context)
      return {
        Status: () => Effect.sync(() => server.connections.status),
        Reload: (policy) =>
          Effect.sync(() => {
            server.policy = policy
          })
      }
    })
})

interface ServerState {
  readonly spec: P11ServerSpec
  /** For requests that come from now on. */
  policy: P11ServerPolicy
  readonly connections: Connections
}

/** What happened at the listening socket. */
type Arrival =
  | { readonly _tag: "Accepted"; readonly socket: Socket }
  | { readonly _tag: "AcceptFailed"; readonly code: string }

const acceptConnections = (
  server: ServerState,
  context: ActorContext<P11ServerProtocol>
): Effect.Effect<void, ListenFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const arrivals = yield* Queue.bounded<Arrival>(arrivalsWaiting)
    const serving = yield* Scope.make()
    const arrived = (arrival: Arrival) => {
      if (!Queue.offerUnsafe(arrivals, arrival) && arrival._tag === "Accepted") arrival.socket.destroy()
    }
    // Released in reverse: first nobody listens any more, then the answers that are owed go out.
    yield* Effect.addFinalizer((exit) =>
      Effect.gen(function* () {
        for (const arrival of yield* Queue.clear(arrivals)) if (arrival._tag === "Accepted") arrival.socket.destroy()
        yield* server.connections.drain(server.spec.drainMs ?? 20_000)
        yield* Scope.close(serving, exit)
      })
    )
    yield* server.spec.listen((listener) => {
      listener.on("connection", (socket) => {
        // An error nobody listens to would end the process; whoever uses the socket sees it closed.
        socket.on("error", () => undefined)
        arrived({ _tag: "Accepted", socket })
      })
      // Node goes on accepting after an error; descriptors may be free again at the next client.
      listener.on("error", (error) =>
        arrived({ _tag: "AcceptFailed", code: "code" in error ? String(error.code) : "" })
      )
    })
    const handleOne = Effect.flatMap(Queue.take(arrivals), (arrival) =>
      arrival._tag === "Accepted"
        ? Effect.asVoid(Effect.forkIn(admit(server, arrival.socket), serving))
        : server.spec.publish(arrival)
    )
    yield* context.task("accept", Effect.forever(handleOne))
  })

/** More than the kernel's own backlog need not wait here. */
const arrivalsWaiting = 1024

const admit = (server: ServerState, socket: Socket): Effect.Effect<void> =>
  Effect.gen(function* () {
    const client = yield* clientOf(server.spec, socket)
    const { connections, spec, policy } = server
    switch (connections.admission(client, policy.limits)) {
      case "full":
        return
      case "busy":
        return yield* connections.whileTurningAway(turnAway({ socket, client, publish: spec.publish }))
      case "admitted":
        return yield* serve(server, connections.add(socket, client))
    }
  }).pipe(
    Effect.ensuring(Effect.sync(() => socket.destroy())),
    // One client must not end the service; what it met is our bug and belongs into the log.
    Effect.catchCause((cause) => Effect.logError("a connection ended unexpectedly", cause))
  )

const serve = ({ connections, spec, policy }: ServerState, connection: Connection): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    connection.fiber = fiber
    const { socket, client } = connection
    const context = {
      cryptoki: spec.cryptoki,
      policy,
      access: accessOf(client, policy.rules, spec.ownUid),
      onIgnored: (attribute: string) => spec.publish({ _tag: "ClientAttributeIgnored", client, attribute })
    }
    return serveConnection({
      socket,
      client,
      limits: policy.limits,
      answer: (request) => answerRequest(context, request),
      onRequest: () => {
        connection.phase = "answering"
      },
      publish: spec.publish
    }).pipe(
      Effect.map((outcome) => connections.count(outcome)),
      Effect.ensuring(Effect.sync(() => connections.remove(connection)))
    )
  })

/** Without credentials the client is nobody in particular: it may do what everybody may. */
const clientOf = (spec: P11ServerSpec, socket: Socket): Effect.Effect<Client> =>
  Effect.orElseSucceed(
    Effect.try(() => (spec.clientOf ?? peerCredentials)(socket)),
    () => ({ uid: undefined, gid: undefined, pid: undefined })
  )
