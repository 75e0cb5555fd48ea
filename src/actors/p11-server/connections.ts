/**
 * The connections being served: counted in all and for each user, and brought to an end when the service stops.
 *
 * A connection is a fiber of its own. Who has not sent a whole request when the service stops is cut; who has
 * gets the answer, within `drainMs`.
 */
import type { Socket } from "node:net"
import { Effect, Fiber } from "effect"
import type { Client, P11ServerLimits, P11ServerStatus } from "../../messages/p11-server.ts"
import type { Outcome } from "./connection.ts"

export interface Connection {
  readonly socket: Socket
  readonly client: Client
  phase: "reading" | "answering"
  fiber: Fiber.Fiber<unknown, unknown> | undefined
}

/** `busy`: tell the client. `full`: not even that. */
export type Admission = "admitted" | "busy" | "full"

export class Connections {
  private readonly open = new Set<Connection>()
  private readonly perUser = new Map<number | undefined, number>()
  private turnedAway = 0
  private readonly counts: Record<Outcome, number> = { served: 0, refused: 0, cut: 0 }

  admission({ uid }: Client, limits: P11ServerLimits): Admission {
    if (this.open.size < limits.connections && (this.perUser.get(uid) ?? 0) < limits.connectionsPerUser)
      return "admitted"
    return this.turnedAway < limits.connections ? "busy" : "full"
  }

  add(socket: Socket, client: Client): Connection {
    const connection: Connection = { socket, client, phase: "reading", fiber: undefined }
    this.open.add(connection)
    this.perUser.set(client.uid, (this.perUser.get(client.uid) ?? 0) + 1)
    return connection
  }

  remove(connection: Connection): void {
    const { uid } = connection.client
    this.open.delete(connection)
    const left = (this.perUser.get(uid) ?? 1) - 1
    if (left > 0) this.perUser.set(uid, left)
    else this.perUser.delete(uid)
  }

  /** Around the farewell of a client that is not served. */
  readonly whileTurningAway = <A>(farewell: Effect.Effect<A>): Effect.Effect<A> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        this.turnedAway++
      }),
      () => farewell,
      () =>
        Effect.sync(() => {
          this.turnedAway--
          this.counts.cut++
        })
    )

  count(outcome: Outcome): void {
    this.counts[outcome]++
  }

  get status(): P11ServerStatus {
    const answering = [...this.open].filter((one) => one.phase === "answering").length
    return { connections: this.open.size, answering, ...this.counts }
  }

  /** Cuts who has not asked yet, waits for the answers that are owed, and cuts the rest. */
  readonly drain = (drainMs: number): Effect.Effect<void> =>
    Effect.gen({ self: this }, function* () {
      const fibers = (phase?: Connection["phase"]) =>
        [...this.open].filter((one) => phase === undefined || one.phase === phase).flatMap((one) => one.fiber ?? [])
      yield* Fiber.interruptAll(fibers("reading"))
      yield* Effect.timeoutOption(Fiber.awaitAll(fibers()), drainMs)
      yield* Fiber.interruptAll(fibers())
    })
}
