/**
 * P11ServerActor: CryptokiActor for other processes, behind a UNIX socket.
 *
 * Connections are served beside its messages, each request by a fiber of its own. Stopping it stops listening first,
 * then drains. What it serves with may be replaced while it runs.
 */
import { Effect, type Fiber, type Scope, Semaphore } from "effect"
import type { CryptokiProtocol } from "../../messages/cryptoki.ts"
import type {
  Client,
  ListenFailed,
  P11ServerEvent,
  P11ServerPolicy,
  P11ServerProtocol
} from "../../messages/p11-server.ts"
import type { Pkcs11Uri } from "../../messages/pkcs11-uri.ts"
import { mergeScope } from "../../messages/pkcs11-uri-scope.ts"
import type { Frame } from "../../messages/wire/frame1.ts"
import type { Accepted } from "../../platform/native/unix-addon.ts"
import { UnixListener, UnixStream, Watcher } from "../../platform/sockets/unix-stream.ts"
import { type OwnerOfUid, subordinateOwners } from "../../platform/users/subordinate-ids.ts"
import type { Behaviour } from "../../runtime/actor.ts"
import { type TimeLimits, timeLimits } from "../../runtime/primitives/deadlines.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import { spanned } from "../../runtime/span.ts"
import { answerRequest } from "./answer-request.ts"
import { readRequest, rejectBusy } from "./connection.ts"
import { type Connection, Connections } from "./connections.ts"
import { type Listen, listenFailed } from "./listening.ts"
import { accessOf, SelectorCache } from "./request-context.ts"
import { insideScope } from "./scoped-failure.ts"

export interface P11ServerSpec {
  /** `listenOnPath` or `listenOnDescriptor`. */
  readonly listen: Listen
  readonly cryptoki: ActorRef<CryptokiProtocol>
  readonly policy: P11ServerPolicy
  /** The user the service runs as. */
  readonly ownUid: number
  /** Publishes an event; never waits for subscribers. */
  readonly publish: (event: P11ServerEvent) => Effect.Effect<void>
  /** Who connected. Default: what the kernel says (SO_PEERCRED, SO_PEERGROUPS). */
  readonly clientOf?: () => Client
  /** Whose subordinate id a user id is. Default: what /etc/subuid says. */
  readonly ownerOfUid?: OwnerOfUid
  /** How many descriptors there are for clients. Default: as many as are wanted. */
  readonly descriptors?: number
  /** How long answers that are owed may take when it stops, in milliseconds. Default 20 s. */
  readonly drainMs?: number
}

export const p11ServerBehaviour = (spec: P11ServerSpec): Behaviour<P11ServerProtocol, ListenFailed> => ({
  init: () =>
    Effect.gen(function* () {
      const server: ServerState = {
        initialising: Semaphore.makeUnsafe(1),
        spec,
        policy: spec.policy,
        selectors: new SelectorCache(),
        connections: new Connections(spec.descriptors),
        ownerOfUid: spec.ownerOfUid ?? subordinateOwners()
      }
      yield* acceptConnections(server)
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
  readonly selectors: SelectorCache
  readonly initialising: Semaphore.Semaphore
  readonly connections: Connections
  readonly ownerOfUid: OwnerOfUid
}

/** Serves until the scope closes: then it stops listening, and after that the pending answers go out. */
const acceptConnections = (server: ServerState): Effect.Effect<void, ListenFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { spec } = server
    const context: AcceptContext = {
      server,
      watcher: yield* openWatcher,
      times: yield* timeLimits,
      run: Effect.runForkWith(yield* Effect.context<never>())
    }
    yield* Effect.addFinalizer(() => server.connections.drain(spec.drainMs ?? 20_000))
    const descriptor = yield* spec.listen
    yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new UnixListener(context.watcher, descriptor, {
            onClient: (client) => admit(context, client),
            onRefused: (code) => void context.run(spec.publish({ _tag: "AcceptFailed", code }))
          })
      ),
      (listener) => Effect.sync(() => listener.stop())
    )
  })

const openWatcher: Effect.Effect<Watcher, ListenFailed, Scope.Scope> = Effect.acquireRelease(
  Effect.try({ try: () => new Watcher(), catch: (error) => listenFailed("", error) }),
  (watcher) => Effect.sync(() => watcher.close())
)

/** What accepting a connection needs. */
interface AcceptContext {
  readonly server: ServerState
  readonly watcher: Watcher
  readonly times: TimeLimits
  readonly run: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
}

const admit = (context: AcceptContext, { descriptor, peer }: Accepted): void => {
  const { connections, spec, policy } = context.server
  // Without credentials the client is anonymous: it may do what every client may.
  const client = withOwner(spec.clientOf?.() ?? peer ?? anonymous, context.server.ownerOfUid)
  const stream = new UnixStream(context.watcher, descriptor)
  switch (connections.admission(client, policy.limits, spec.ownUid)) {
    case "full":
      stream.close()
      break
    case "busy":
      context.run(connections.whileRejecting(rejecting(context, stream, client)))
      break
    case "admitted":
      serve(context, stream, connections.add(stream, client))
  }
}

const withOwner = (client: Client, ownerOfUid: OwnerOfUid): Client => {
  const ownerUid = client.uid === undefined ? undefined : ownerOfUid(client.uid)
  return ownerUid === undefined ? client : { ...client, ownerUid }
}

const rejecting = ({ server, times }: AcceptContext, stream: UnixStream, client: Client): Effect.Effect<void> =>
  Effect.ensuring(
    rejectBusy({ stream, client, times, publish: server.spec.publish }),
    Effect.sync(() => stream.close())
  )

const serve = ({ server, times, run }: AcceptContext, stream: UnixStream, connection: Connection): void => {
  const { connections, selectors, spec, policy } = server
  const { client } = connection
  const access = accessOf(client, policy.rules, spec.ownUid)
  const scope = narrowedTo(policy.scope, access.scope)
  const request = {
    cryptoki: spec.cryptoki,
    policy,
    selectors,
    access,
    initialising: server.initialising,
    onIgnored: (attribute: string) => spec.publish({ _tag: "ClientAttributeIgnored", client, attribute })
  }
  const answer = (frame: Frame) => {
    const answering = Effect.mapError(answerRequest(request, frame), (failure) => insideScope(scope, failure))
    const attributes = () => ({ "rpc.method": frame._tag })
    return spanned("signing request", { kind: "server", work: frame._tag, attributes }, answering)
  }
  connection.asking = readRequest(
    { stream, client, limits: policy.limits, times, scope, answer, publish: spec.publish },
    (next, serving) => {
      if (next === "answer") connection.phase = "answering"
      connection.fiber = run(
        serving.pipe(
          Effect.map((outcome) => connections.count(outcome)),
          Effect.ensuring(Effect.sync(() => connections.end(connection))),
          // One client must not end the service; what it met is our bug and belongs into the log.
          Effect.catchCause((cause) => Effect.logError("a connection ended unexpectedly", cause))
        )
      )
    }
  )
}

/** What the client can reach; undefined: all there is. */
const narrowedTo = (service: Pkcs11Uri | undefined, rule: Pkcs11Uri | undefined): Pkcs11Uri | undefined =>
  service === undefined || rule === undefined ? (service ?? rule) : mergeScope(service, rule).uri

const anonymous: Client = { uid: undefined, gid: undefined, pid: undefined }
