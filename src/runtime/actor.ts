/**
 * Actors as their authors see them: an address, a behaviour, and a place under a supervisor.
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
import type { Cause, Duration } from "effect"
import { Clock, Effect, type Scope } from "effect"
import { RuntimeEvents } from "./events.ts"
import { type ActorDown, Cell } from "./internal/cell.ts"
import type { AnyBehaviour } from "./internal/incarnation.ts"
import { launch } from "./internal/running.ts"
import type { Overflow } from "./mailbox.ts"
import { withRuntimeClock } from "./primitives/runtime-clock.ts"
import type { ActorRef, Handlers, Protocol } from "./protocol.ts"
import { type AnyRef, makeRef } from "./ref.ts"

export interface MailboxSpec {
  /** How many messages may wait. */
  readonly capacity: number
  readonly overflow: Overflow
}

/** A place in the tree that messages can be sent to before, while and after an actor lives there. Its ref survives restarts. */
export interface Address<P extends Protocol> {
  readonly ref: ActorRef<P>
  /** The runtime's own side of the place. */
  readonly cell: Cell
}

export interface ActorContext<P extends Protocol> {
  readonly self: ActorRef<P>
  /** A fiber that lives as long as this incarnation; its failure or defect ends the actor, its success does not. */
  readonly task: <A, E, R>(name: string, effect: Effect.Effect<A, E, R>) => Effect.Effect<void, never, R>
  /**
   * Runs `down`, in the actor's own turn and before waiting messages, each time the watched actor ends, and
   * `up` each time it is ready again. Of an actor that has stopped for good it tells at once.
   */
  readonly watch: (
    ref: AnyRef,
    on: {
      readonly down: (down: ActorDown) => Effect.Effect<void>
      readonly up?: () => Effect.Effect<void>
    }
  ) => Effect.Effect<void>
  /** Ends this actor from within: it accepts nothing more, handles what waits, and is done. */
  readonly stop: Effect.Effect<void>
}

export interface Behaviour<P extends Protocol, E = never, R = never> {
  /** Acquires what the actor owns (Scope) and returns its handlers. Done = ready. */
  readonly init: (context: ActorContext<P>) => Effect.Effect<Handlers<P>, E, R | Scope.Scope>
  /** A router: these messages run each in a fiber of its own, at most `inFlight` at once; beyond, the mailbox fills. */
  readonly concurrent?: { readonly tags: ReadonlyArray<keyof P & string>; readonly inFlight: number }
}

/** `stop`: it stays down, and its address says so. `escalate`: the supervisor gives up. */
export type Decision = "restart" | "stop" | "escalate"

export interface ChildOptions {
  /** `transient`: restarted when it failed. `temporary`: never. A permanent child that ends without failing has failed, too. */
  readonly restart: "permanent" | "transient" | "temporary"
  /** How long `init` may take. Default 10 s. */
  readonly startWithin?: Duration.Input
  /** How long it may finish its work when stopped. Default 5 s. */
  readonly stopWithin?: Duration.Input
  /** What becomes of waiting messages when it is restarted. Default `keep`. */
  readonly onRestart?: "keep" | "deadLetter"
  readonly decide?: (cause: Cause.Cause<unknown>) => Decision
  /** Whom it sends to; checked for missing actors and for circles when the tree starts. */
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

/** One actor on its own, for short-lived commands and tests: starts now, stops with the scope. */
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

/** How long an actor may take to finish its work when it is stopped, unless its specification says otherwise. */
export const STOP_WITHIN: Duration.Input = "5 seconds"

// The handlers were checked against the protocol where they were written; from here on tags are plain strings.
const erased = <P extends Protocol, E, R>(behaviour: Behaviour<P, E, R>): AnyBehaviour<E, R> =>
  behaviour as unknown as AnyBehaviour<E, R>
