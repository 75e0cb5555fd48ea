/**
 * A started actor: waits until it is ready, and stops it.
 *
 * Used by the actor's owner: its supervisor, or the scope of an actor without supervisor.
 */
import { Deferred, type Duration, Effect, Exit, type Fiber } from "effect"
import type { Address, AnyBehaviour } from "../behaviour.ts"
import { endsWithin } from "../primitives/ends-within.ts"
import type { Cell } from "./cell.ts"
import { CurrentDeadline } from "./envelope.ts"
import { runIncarnation } from "./incarnation.ts"

/** `drain`: handle waiting messages. `current`: only the one being handled. `now`: nothing more. */
export type StopMode = "drain" | "current" | "now"

/** Made once per incarnation, so it holds no more than it needs: an idle actor keeps it. */
export class RunningActor {
  readonly fiber: Fiber.Fiber<void, unknown>
  private readonly cell: Cell
  private readonly readiness: Deferred.Deferred<void, unknown>

  constructor(cell: Cell, fiber: Fiber.Fiber<void, unknown>, readiness: Deferred.Deferred<void, unknown>) {
    this.cell = cell
    this.fiber = fiber
    this.readiness = readiness
  }

  /** Fails with the cause if the actor ended before it was ready. */
  get ready(): Effect.Effect<void, unknown> {
    return Deferred.await(this.readiness)
  }

  /** False if it had to be forced, or failed while it stopped. Its mailbox is unchanged. */
  stop(mode: StopMode, within: Duration.Input): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      if (this.hasEnded()) return Effect.succeed(this.endedWell())
      if (mode === "now") return Effect.as(this.kill(within), true)
      this.cell.bringToStop(mode)
      return Effect.flatMap(endsWithin(this.fiber, within), (ended) =>
        ended ? Effect.succeed(this.endedWell()) : Effect.as(this.kill(within), false)
      )
    })
  }

  private kill(within: Duration.Input): Effect.Effect<boolean> {
    this.fiber.interruptUnsafe()
    return endsWithin(this.fiber, within)
  }

  private hasEnded(): boolean {
    return this.fiber.pollUnsafe() !== undefined
  }

  private endedWell(): boolean {
    return Exit.isSuccess(this.fiber.pollUnsafe() ?? Exit.void)
  }
}

export const launch = <E, R>(
  // biome-ignore lint/suspicious/noExplicitAny: see AnyBehaviour
  place: Address<any>,
  behaviour: AnyBehaviour<E, R>
): Effect.Effect<RunningActor, never, R> => {
  const readiness = Deferred.makeUnsafe<void, unknown>()
  const onReady = () => void Deferred.doneUnsafe(readiness, Effect.void)
  const incarnation = unlimited(runIncarnation({ cell: place.cell, self: place.ref, behaviour, onReady }))
  return Effect.map(Effect.forkDetach(incarnation), (fiber) => {
    fiber.addObserver((exit) => void Deferred.doneUnsafe(readiness, Exit.isFailure(exit) ? exit : Effect.interrupt))
    return new RunningActor(place.cell, fiber, readiness)
  })
}

/** An actor may be started for a message, and outlives it. */
const unlimited = <A, E, R>(incarnation: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) =>
    fiber.getRef(CurrentDeadline) === NEVER ? incarnation : Effect.provideService(incarnation, CurrentDeadline, NEVER)
  )

const NEVER = Number.POSITIVE_INFINITY
