/**
 * P11ServerActor: CryptokiActor for other processes, behind a UNIX socket.
 *
 * Connections are served besides its messages, each request by its own fiber. They are counted in total and per user. An
 * eighth of the connections is reserved for root and the service's own user, half of these for root alone: so root can always
 * connect.
 *
 * When stopped, it stops listening first. Clients without a complete request are aborted; the others get their response, within `drainMs`.
 */
import { Effect, Fiber, type Scope, Semaphore } from "effect"
import type { CryptokiProtocol } from "../../messages/cryptoki.ts"
import type {
  Client,
  ListenFailed,
  P11ServerEvent,
  P11ServerLimits,
  P11ServerPolicy,
  P11ServerProtocol,
  P11ServerStatus
} from "../../messages/p11-server.ts"
import { mergeScope } from "../../messages/pkcs11-uri-scope.ts"
import type { Frame } from "../../messages/wire/frame1.ts"
import type { Accepted } from "../../platform/native/unix-addon.ts"
import { UnixListener, UnixStream, Watcher } from "../../platform/sockets/unix-stream.ts"
import { type OwnerOfUid, subordinateOwners } from "../../platform/users/subordinate-ids.ts"
import type { Behaviour } from "../../runtime/actor.ts"
import { type RunningLimit, type TimeLimits, timeLimits } from "../../runtime/primitives/deadlines.ts"
import { ShortLivedMap, ShortLivedSet } from "../../runtime/primitives/short-lived.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import { spanned } from "../../runtime/span.ts"
import { answerRequest } from "./answer-request.ts"
import { type Outcome, readRequest, rejectBusy } from "./exchange.ts"
import { type FindClosedFile, insideScope, withClosedFile } from "./frame-errors.ts"
import { type Listen, listenFailed } from "./listening.ts"
import { accessOf, SelectorCache } from "./request-context.ts"

export interface P11ServerSpec {
  /** `listenOnPath` or `listenOnDescriptor`. */
  readonly listen: Listen
  readonly cryptoki: ActorRef<CryptokiProtocol>
  readonly policy: P11ServerPolicy
  /** The user the service runs as. */
  readonly ownUid: number
  /** Publishes an event; never waits for subscribers. */
  readonly publish: (event: P11ServerEvent) => Effect.Effect<void>
  /** Credentials of a client. Default: from the kernel (SO_PEERCRED, SO_PEERGROUPS). */
  readonly clientOf?: () => Client
  /** Owner of a subordinate user id. Default: from /etc/subuid. */
  readonly ownerOfUid?: OwnerOfUid
  readonly closedFile?: FindClosedFile
  /** Number of descriptors for clients. Default: unlimited. */
  readonly descriptors?: number
  /** Time limit for pending responses when it stops, in milliseconds. Default 20 s. */
  readonly drainMs?: number
}

export const p11ServerBehaviour = (spec: P11ServerSpec): Behaviour<P11ServerProtocol, ListenFailed> => ({
  init: () =>
    Effect.gen(function* () {
      const server: ServerState = {
        initialising: Semaphore.makeUnsafe(1),
        spec,
        // The policy may be replaced while it runs.
        policy: spec.policy,
        selectors: new SelectorCache(),
        connections: new ClientConnections(spec.descriptors),
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
  /** For requests from now on. */
  policy: P11ServerPolicy
  readonly selectors: SelectorCache
  readonly initialising: Semaphore.Semaphore
  readonly connections: ClientConnections
  readonly ownerOfUid: OwnerOfUid
}

/** Serves until the scope closes: then it stops listening, and finishes the pending responses. */
const acceptConnections = (server: ServerState): Effect.Effect<void, ListenFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { spec } = server
    const watcher = yield* Effect.acquireRelease(
      Effect.try({ try: () => new Watcher(), catch: (error) => listenFailed("", error) }),
      (opened) => Effect.sync(() => opened.close())
    )
    const context: AcceptContext = {
      server,
      watcher,
      times: yield* timeLimits,
      run: Effect.runForkWith(yield* Effect.context<never>())
    }
    yield* Effect.addFinalizer(() => server.connections.drain(spec.drainMs ?? 20_000))
    const descriptor = yield* spec.listen
    yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new UnixListener(watcher, descriptor, {
            onClient: (client) => admit(context, client),
            onRefused: (code) => void context.run(spec.publish({ _tag: "AcceptFailed", code }))
          })
      ),
      (listener) => Effect.sync(() => listener.stop())
    )
  })

/** Dependencies of accepting a connection. */
interface AcceptContext {
  readonly server: ServerState
  readonly watcher: Watcher
  readonly times: TimeLimits
  readonly run: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
}

const admit = (context: AcceptContext, { descriptor, peer }: Accepted): void => {
  const { connections, spec, policy } = context.server
  // Without credentials the client is anonymous, with the default rights.
  const anonymous = { uid: undefined, gid: undefined, pid: undefined }
  const client = withOwner(spec.clientOf?.() ?? peer ?? anonymous, context.server)
  const stream = new UnixStream(context.watcher, descriptor)
  switch (connections.admission(client, policy.limits, spec.ownUid)) {
    case "full":
      stream.close()
      break
    case "busy":
      context.run(
        connections.whileRejecting(
          Effect.ensuring(
            rejectBusy({ stream, client, times: context.times, publish: spec.publish }),
            Effect.sync(() => stream.close())
          )
        )
      )
      break
    case "admitted":
      serve(context, stream, connections.add(stream, client))
  }
}

/** The owner of its subordinate id; root and the service's own user stay themselves. */
const withOwner = (client: Client, { ownerOfUid, spec }: ServerState): Client => {
  const { uid } = client
  const ownerUid = uid === undefined || uid === 0 || uid === spec.ownUid ? undefined : ownerOfUid(uid)
  return ownerUid === undefined ? client : { ...client, ownerUid }
}

const serve = ({ server, times, run }: AcceptContext, stream: UnixStream, connection: ClientConnection): void => {
  const { connections, selectors, spec, policy } = server
  const { client } = connection
  const access = accessOf(client, policy.rules, spec.ownUid)
  // The client's scope; undefined: unlimited.
  const scope =
    policy.scope && access.scope ? mergeScope(policy.scope, access.scope).uri : (policy.scope ?? access.scope)
  const request = {
    cryptoki: spec.cryptoki,
    policy,
    selectors,
    access,
    initialising: server.initialising,
    onIgnored: (attribute: string) => spec.publish({ _tag: "ClientAttributeIgnored", client, attribute })
  }
  const answer = (frame: Frame) => {
    const answering = Effect.mapError(answerRequest(request, frame), (failure) =>
      withClosedFile(spec.closedFile, insideScope(scope, failure))
    )
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
          // One client must not end the service; a failure here is our bug and is logged.
          Effect.catchCause((cause) => Effect.logError("a connection ended unexpectedly", cause))
        )
      )
    }
  )
}

interface ClientConnection {
  readonly stream: Pick<UnixStream, "close">
  readonly client: Client
  phase: "reading" | "answering"
  /** Its time limit for the request; undefined before it is served. */
  asking: RunningLimit | undefined
  /** The fiber that serves it once its request is complete, or it is aborted. */
  fiber: Fiber.Fiber<unknown, unknown> | undefined
}

export class ClientConnections {
  /**
   * Half of the descriptors serve, the others report that the service is busy. With fewer descriptors than allowed
   * connections, a flood would otherwise leave none for reserved connections and token hosts.
   */
  private readonly most: number
  private readonly open = new ShortLivedSet<ClientConnection>()
  private readonly perUser = new ShortLivedMap<number | undefined, number>()
  /** Responds to connections that are not served. */
  private readonly rejections = new ShortLivedSet<Fiber.Fiber<unknown, unknown>>()
  private readonly counts: Record<Outcome, number> = { served: 0, refused: 0, aborted: 0 }

  /** `descriptors`: how many may be open for clients. */
  constructor(descriptors = Number.POSITIVE_INFINITY) {
    this.most = Math.max(2, Math.floor(descriptors / 2))
  }

  /** `busy`: report it to the client. `full`: not even that. `ownUid`: the user the service runs as. */
  admission(client: Client, wanted: P11ServerLimits, ownUid: number): "admitted" | "busy" | "full" {
    const limits = this.within(wanted)
    const { uid } = client
    const isWithinOwn =
      uid === 0 || uid === ownUid || (this.perUser.get(userOf(client)) ?? 0) < limits.connectionsPerUser
    if (isWithinOwn && this.open.size < placesFor(uid, limits, ownUid)) return "admitted"
    return this.rejections.size < limits.connections ? "busy" : "full"
  }

  private within(limits: P11ServerLimits): P11ServerLimits {
    if (limits.connections <= this.most) return limits
    const connectionsPerUser = Math.min(limits.connectionsPerUser, Math.max(1, Math.floor(this.most / 4)))
    return { ...limits, connections: this.most, connectionsPerUser }
  }

  add(stream: ClientConnection["stream"], client: Client): ClientConnection {
    const connection: ClientConnection = { stream, client, phase: "reading", asking: undefined, fiber: undefined }
    this.open.add(connection)
    const user = userOf(client)
    this.perUser.set(user, (this.perUser.get(user) ?? 0) + 1)
    return connection
  }

  /** Closes it and forgets it. */
  end(connection: ClientConnection): void {
    const user = userOf(connection.client)
    connection.asking?.cancel()
    connection.stream.close()
    if (!this.open.delete(connection)) return
    const left = (this.perUser.get(user) ?? 1) - 1
    if (left > 0) this.perUser.set(user, left)
    else this.perUser.delete(user)
  }

  /** Wraps the response to a client that is not served. */
  readonly whileRejecting = (rejection: Effect.Effect<void>): Effect.Effect<void> =>
    Effect.withFiber((fiber) => {
      this.rejections.add(fiber)
      const done = () => {
        this.rejections.delete(fiber)
        this.counts.aborted++
      }
      return Effect.ensuring(rejection, Effect.sync(done))
    })

  count(outcome: Outcome): void {
    this.counts[outcome]++
  }

  get status(): P11ServerStatus {
    const answering = [...this.open].filter((one) => one.phase === "answering").length
    return { connections: this.open.size, answering, ...this.counts }
  }

  /** Aborts connections without a request, waits for pending responses, and aborts the rest. */
  readonly drain = (drainMs: number): Effect.Effect<void> =>
    Effect.gen({ self: this }, function* () {
      const fibers = (wanted: (one: ClientConnection) => boolean) =>
        [...this.open].filter(wanted).flatMap((one) => one.fiber ?? [])
      yield* Fiber.interruptAll(fibers((one) => one.phase === "reading"))
      for (const one of this.open) if (one.phase === "reading") this.end(one)
      yield* Effect.timeoutOption(Fiber.awaitAll(fibers(() => true)), drainMs)
      yield* Fiber.interruptAll([...fibers(() => true), ...this.rejections])
    })
}

const userOf = ({ uid, ownerUid }: Client): number | undefined => ownerUid ?? uid

/** The total of connections up to which this user's next one is accepted. */
const placesFor = (uid: number | undefined, { connections }: P11ServerLimits, ownUid: number): number => {
  const kept = Math.ceil(connections / 8)
  if (uid === 0) return connections
  // With a single connection nothing can be reserved.
  return Math.max(1, connections - (uid === ownUid ? Math.floor(kept / 2) : kept))
}
