/**
 * The parts of an actor: an address, and a behaviour.
 */
import type { Effect, Scope } from "effect"
import type { ActorDown, Cell } from "./internal/cell.ts"
import type { ActorRef, Handlers, Protocol } from "./protocol.ts"
import type { AnyRef } from "./ref.ts"

/** A place in the tree that accepts messages before, while and after an actor runs there. Its ref survives restarts. */
export interface Address<P extends Protocol> {
  readonly ref: ActorRef<P>
  /** The runtime's internal side of it. */
  readonly cell: Cell
}

export interface ActorContext<P extends Protocol> {
  readonly self: ActorRef<P>
  /** A fiber that lives as long as this incarnation; its failure or defect ends the actor, its success does not. */
  readonly task: <A, E, R>(name: string, effect: Effect.Effect<A, E, R>) => Effect.Effect<void, never, R>
  /**
   * Runs `down`, in the actor's own turn and before waiting messages, each time the watched actor ends, and
   * `up` each time it is ready again. For an actor that has stopped permanently it is called immediately.
   */
  readonly watch: (
    ref: AnyRef,
    on: {
      readonly down: (down: ActorDown) => Effect.Effect<void>
      readonly up?: () => Effect.Effect<void>
    }
  ) => Effect.Effect<void>
  /** Ends this actor from within: it accepts nothing more, and handles the waiting messages. */
  readonly stop: Effect.Effect<void>
}

export interface Behaviour<P extends Protocol, E = never, R = never> {
  /** Acquires what the actor owns (Scope) and returns its handlers. Done = ready. */
  readonly init: (context: ActorContext<P>) => Effect.Effect<Handlers<P>, E, R | Scope.Scope>
  /**
   * A router: these messages run each in a fiber of its own, at most `inFlight` at once; beyond, the mailbox fills. Without
   * `inFlight` the mailbox is the one bound: a message keeps its place there until its handler has ended.
   */
  readonly concurrent?: { readonly tags: ReadonlyArray<keyof P & string>; readonly inFlight?: number }
}

/** Handlers by tag; that they fit the protocol was checked where they were written. */
export type AnyHandlers = Readonly<Record<string, (payload: unknown) => Effect.Effect<unknown, unknown>>>

export interface AnyBehaviour<E, R> {
  // biome-ignore lint/suspicious/noExplicitAny: the protocol is erased here; `Behaviour` holds it
  readonly init: (context: ActorContext<any>) => Effect.Effect<AnyHandlers, E, R | Scope.Scope>
  readonly concurrent?: { readonly tags: ReadonlyArray<string>; readonly inFlight?: number }
}
