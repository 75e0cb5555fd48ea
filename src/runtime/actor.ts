/**
 * The actor API for authors: an address, a behaviour, and a place under a supervisor.
 *
 *   caller                      mailbox                       actor
 *   ------                      -------                       -----
 *   ask(tag, payload)  ------>  queued, by the overflow rule
 *                               one turn at a time   ------>  handlers[tag](payload)
 *   answer or refusal  <------------------------------------  success or failure
 *   AskTimeout         <------  the deadline passed
 *   PeerDown           <------------------------------------  a defect, or killed while handling
 *   Undeliverable      <------  full, or stopped for good
 */
import { type Cause, Clock, type Duration, Effect, type Scope } from "effect"
import type { Address, AnyBehaviour, Behaviour } from "./behaviour.ts"
import { RuntimeEvents } from "./events.ts"
import { Cell } from "./internal/cell.ts"
import { launch } from "./internal/running.ts"
import type { Overflow } from "./mailbox.ts"
import { withRuntimeClock } from "./primitives/runtime-clock.ts"
import type { ActorRef, Protocol } from "./protocol.ts"
import { type AnyRef, cellOf, makeRef } from "./ref.ts"

export type { ActorContext, Address, Behaviour } from "./behaviour.ts"

export interface MailboxSpec {
  /** How many messages may wait. */
  readonly capacity: number
  readonly overflow: Overflow
}

/** `stop`: it stays down, and its address reports that. `escalate`: the supervisor fails. */
export type Decision = "restart" | "stop" | "escalate"

export interface ChildOptions {
  /** `transient`: restarted after a failure. `temporary`: never. A permanent child that ends without failing has failed, too. */
  readonly restart: "permanent" | "transient" | "temporary"
  /** Time limit of `init`. Default 10 s. */
  readonly startWithin?: Duration.Input
  /** Time limit for finishing its work when stopped. Default 5 s. */
  readonly stopWithin?: Duration.Input
  /** What happens to waiting messages on a restart. Default `keep`. */
  readonly onRestart?: "keep" | "deadLetter"
  readonly decide?: (cause: Cause.Cause<unknown>) => Decision
  /** The actors it sends to; checked for missing actors and for circles when the tree starts. */
  readonly peers?: ReadonlyArray<AnyRef>
}

/** An actor and how it is supervised. */
export interface ChildSpec<E, R> extends ChildOptions {
  readonly kind: "actor"
  readonly name: string
  // biome-ignore lint/suspicious/noExplicitAny: children of different protocols stand in one list
  readonly address: Address<any>
  readonly behaviour: AnyBehaviour<E, R>
}

export const address = <P extends Protocol>(spec: {
  readonly name: string
  readonly mailbox: MailboxSpec
}): Effect.Effect<Address<P>> =>
  withRuntimeClock(
    Effect.withFiber((fiber) => {
      const cell = new Cell({
        name: spec.name,
        capacity: spec.mailbox.capacity,
        overflow: spec.mailbox.overflow,
        clock: fiber.getRef(Clock.Clock),
        context: fiber.context,
        events: fiber.getRef(RuntimeEvents)
      })
      return Effect.succeed({ ref: makeRef<P>(cell), cell })
    })
  )

export const child = <P extends Protocol, E, R>(
  place: Address<P>,
  behaviour: Behaviour<P, E, R>,
  options: ChildOptions
): ChildSpec<E, R> => ({
  ...options,
  kind: "actor",
  name: place.cell.name,
  address: place,
  behaviour: erased(behaviour)
})

/** A single actor, for short-lived commands and tests: starts now, stops with the scope. */
export const start = <P extends Protocol, E, R>(spec: {
  readonly name: string
  readonly mailbox: MailboxSpec
  readonly behaviour: Behaviour<P, E, R>
}): Effect.Effect<ActorRef<P>, E, R | Scope.Scope> =>
  withRuntimeClock(
    Effect.gen(function* () {
      const place = yield* address<P>(spec)
      const ready = yield* Effect.uninterruptible(
        Effect.gen(function* () {
          const running = yield* launch(place, erased(spec.behaviour))
          running.fiber.addObserver(() => void place.cell.close("stopped"))
          yield* Effect.addFinalizer(() => running.stop("drain", STOP_WITHIN))
          return running.ready
        })
      )
      // Until it is ready it can have failed with nothing but what `init` fails with.
      yield* ready as Effect.Effect<void, E>
      return place.ref
    })
  )

/** Completes when the actor has taken a turn, before the messages in its mailbox; an actor that does not run is skipped. */
export const takesTurns = (ref: AnyRef): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const cell = cellOf(ref)
    const runs = cell?.state === "starting" || cell?.state === "ready" || cell?.state === "stopping"
    if (cell === undefined || !runs) return resume(Effect.void)
    const done = () => {
      stopWatching()
      resume(Effect.void)
    }
    const stopWatching = cell.watch({ onDown: done, onUp: () => undefined })
    cell.mailbox.signal({ kind: "notice", work: Effect.sync(done) })
    return Effect.sync(stopWatching)
  })

/** How long an actor may take to finish its work when it is stopped, unless its specification says otherwise. */
export const STOP_WITHIN: Duration.Input = "5 seconds"

// The handlers were checked against the protocol where they were written; from here on tags are plain strings.
const erased = <P extends Protocol, E, R>(behaviour: Behaviour<P, E, R>): AnyBehaviour<E, R> =>
  behaviour as unknown as AnyBehaviour<E, R>
