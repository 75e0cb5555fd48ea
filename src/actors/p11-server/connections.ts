/**
 * The connections being served: counted in all and for each user, and ended when the service stops.
 *
 * An eighth of the places is kept for root and the service's own user, half of these for root alone: whatever others
 * do, and should the service's own user exhaust them, root can still connect.
 *
 * Where the process may open fewer files than there may be connections, the descriptors bound them: a flood would
 * otherwise leave none for those whose places are kept, nor for token hosts.
 *
 * Who has not sent a whole request when the service stops is aborted; who has gets the answer, within `drainMs`.
 */
import { Effect, Fiber } from "effect"
import type { Client, P11ServerLimits, P11ServerStatus } from "../../messages/p11-server.ts"
import type { UnixStream } from "../../platform/sockets/unix-stream.ts"
import type { RunningLimit } from "../../runtime/primitives/deadlines.ts"
import { ShortLivedMap, ShortLivedSet } from "../../runtime/primitives/short-lived.ts"
import type { Outcome } from "./connection.ts"

export interface Connection {
  readonly stream: Pick<UnixStream, "close">
  readonly client: Client
  phase: "reading" | "answering"
  /** Its time to ask; undefined before it is served. */
  asking: RunningLimit | undefined
  /** What serves it from the moment its request has come, or it is aborted. */
  fiber: Fiber.Fiber<unknown, unknown> | undefined
}

/** `busy`: tell the client. `full`: not even that. */
type Admission = "admitted" | "busy" | "full"

export class Connections {
  /** Half of the descriptors serve, half say that the service is busy. */
  private readonly most: number
  private readonly open = new ShortLivedSet<Connection>()
  private readonly perUser = new ShortLivedMap<number | undefined, number>()
  /** What answers connections that are not served. */
  private readonly rejections = new ShortLivedSet<Fiber.Fiber<unknown, unknown>>()
  private readonly counts: Record<Outcome, number> = { served: 0, refused: 0, aborted: 0 }

  /** `descriptors`: how many may be open for clients. */
  constructor(descriptors = Number.POSITIVE_INFINITY) {
    this.most = Math.max(2, Math.floor(descriptors / 2))
  }

  /** `ownUid`: the user the service runs as. */
  admission(client: Client, wanted: P11ServerLimits, ownUid: number): Admission {
    const limits = this.within(wanted)
    if (this.open.size < placesFor(client.uid, limits, ownUid) && this.isWithinOwn(client, limits, ownUid))
      return "admitted"
    return this.rejections.size < limits.connections ? "busy" : "full"
  }

  private within(limits: P11ServerLimits): P11ServerLimits {
    if (limits.connections <= this.most) return limits
    const connectionsPerUser = Math.min(limits.connectionsPerUser, Math.max(1, Math.floor(this.most / 4)))
    return { ...limits, connections: this.most, connectionsPerUser }
  }

  private isWithinOwn(client: Client, limits: P11ServerLimits, ownUid: number): boolean {
    const { uid } = client
    return uid === 0 || uid === ownUid || (this.perUser.get(userOf(client)) ?? 0) < limits.connectionsPerUser
  }

  add(stream: Connection["stream"], client: Client): Connection {
    const connection: Connection = { stream, client, phase: "reading", asking: undefined, fiber: undefined }
    this.open.add(connection)
    const user = userOf(client)
    this.perUser.set(user, (this.perUser.get(user) ?? 0) + 1)
    return connection
  }

  /** Closes it and forgets it. */
  end(connection: Connection): void {
    const user = userOf(connection.client)
    connection.asking?.cancel()
    connection.stream.close()
    if (!this.open.delete(connection)) return
    const left = (this.perUser.get(user) ?? 1) - 1
    if (left > 0) this.perUser.set(user, left)
    else this.perUser.delete(user)
  }

  /** Around the answer to a client that is not served. */
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

  /** Aborts connections without a request, waits for the answers that are owed, and aborts the rest. */
  readonly drain = (drainMs: number): Effect.Effect<void> =>
    Effect.gen({ self: this }, function* () {
      const fibers = (wanted: (one: Connection) => boolean) =>
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
  // With one connection in all nothing can be kept.
  return Math.max(1, connections - (uid === ownUid ? Math.floor(kept / 2) : kept))
}
