/**
 * The settings of a supervisor, and its events.
 *
 * The terms are OTP's: strategy, restart intensity, permanent, transient, temporary. Back-off, parking and the
 * report of a stop are additions.
 */
import { type Cause, Data, type Duration, type Effect } from "effect"
import type { ChildSpec } from "./actor.ts"
import type { AnyBehaviour } from "./behaviour.ts"
import type { ActorState } from "./internal/cell.ts"
import type { Overflow } from "./mailbox.ts"

export interface Backoff {
  readonly initial: Duration.Input
  readonly maximum: Duration.Input
  /** Each further restart waits this many times longer. */
  readonly factor: number
  /** 0.2: up to a fifth longer or shorter, by chance. */
  readonly jitter: number
  /** A child that was ready this long starts again from `initial`. */
  readonly resetAfter: Duration.Input
}

export interface SupervisorSpec<Children extends ReadonlyArray<AnyChild> = ReadonlyArray<AnyChild>> {
  readonly name: string
  /** Which children are restarted when one fails: it alone, it and those started after it, or all. */
  readonly strategy: "one_for_one" | "rest_for_one" | "one_for_all"
  /** At most `max` restarts in any period of `within`. Counted per child when parking, else for all. */
  readonly intensity: { readonly max: number; readonly within: Duration.Input }
  readonly backoff: Backoff
  /** `escalate`: stop everything and fail. `park`: leave the child down for a while, with the reason; the others continue. */
  readonly onExhausted: "escalate" | "park"
  /** How long a child stays parked before it is retried. Default 5 minutes: no device waits for a person. */
  readonly retryParked?: Duration.Input
  readonly children: Children
}

// biome-ignore lint/suspicious/noExplicitAny: children with different failures and services stand in one list
export type AnyChild = ChildSpec<any, any> | SupervisorSpec

/** Services that the behaviours of these children need. */
export type ServicesOf<Child> = Child extends { readonly behaviour: AnyBehaviour<infer _E, infer R> }
  ? R
  : Child extends { readonly children: ReadonlyArray<infer Below> }
    ? ServicesOf<Below>
    : never

/** A supervisor whose children are added and removed while it runs. The terms are those of `SupervisorSpec`. */
export type DynamicSupervisorSpec = Omit<SupervisorSpec, "strategy" | "children">

export interface DynamicSupervisorHandle extends SupervisorHandle {
  /** Starts a child, with its services. If interrupted or failed, nothing is left of it. Its name must be new. */
  readonly add: <E>(child: ChildSpec<E, never>) => Effect.Effect<void, StartFailed | StartRefused>
  /** Stops and removes a child. */
  readonly remove: (name: string, mode?: "drain" | "now") => Effect.Effect<StopReport>
}

/** A child did not become ready. Those started before it were stopped again. */
export class StartFailed extends Data.TaggedError("StartFailed")<{
  readonly child: string
  readonly cause: Cause.Cause<unknown>
}> {}

/** The tree cannot work with these connections. Nothing was started. */
export class StartRefused extends Data.TaggedError("StartRefused")<{
  /** `circle`: every one of them may wait for room at the next. `unconnected`: no actor is at the last of the path. */
  readonly reason: "circle" | "unconnected" | "occupied" | "stopped"
  readonly path: ReadonlyArray<string>
}> {}

/** `init` was not done in time. */
export class StartTimeout extends Data.TaggedError("StartTimeout")<{
  readonly actor: string
  readonly within: Duration.Input
}> {}

/** A permanent actor ended without failing and without being asked. */
export class UnexpectedEnd extends Data.TaggedError("UnexpectedEnd")<{ readonly actor: string }> {}

export interface StopReport {
  readonly clean: ReadonlyArray<string>
  /** Did not finish in time and were interrupted, or failed while they stopped. */
  readonly forced: ReadonlyArray<string>
  /** How many accepted messages were never handled. */
  readonly unhandled: number
}

export type SupervisorExit =
  | { readonly _tag: "Stopped"; readonly report: StopReport }
  | { readonly _tag: "GaveUp"; readonly child: string; readonly cause: Cause.Cause<unknown> }

/** An actor as it is now. Counters count from the first start; a restart does not set them back. */
export interface GraphNode {
  readonly name: string
  readonly supervisor: string
  readonly state: ActorState
  /** Why it was given up. */
  readonly parkedFor: Cause.Cause<unknown> | undefined
  /** When it is started again, if it was given up for a while. */
  readonly retryInMs: number | undefined
  /** Names of those it sends to, as declared. */
  readonly peers: ReadonlyArray<string>
  readonly overflow: Overflow["policy"]
  readonly capacity: number
  /** How many messages wait. */
  readonly depth: number
  readonly maxDepth: number
  /** Senders that wait for room; theirs are not accepted yet. */
  readonly held: number
  /** How long the first of those that wait has waited. */
  readonly oldestMs: number
  /** What its handlers are at, and since when. */
  readonly handling: ReadonlyArray<{ readonly message: string; readonly forMs: number }>
  readonly handled: number
  /** Of all that were handled together: from sending to the start of the handler. */
  readonly waitMs: number
  readonly longestWaitMs: number
  /** Of all handlers together. */
  readonly handlingMs: number
  readonly longestHandlingMs: number
  readonly restarts: number
  /** Lost by a mailbox that is allowed to. */
  readonly dropped: number
  /** Replaced by a newer one with the same key. */
  readonly coalesced: number
  /** Found no room; the sender was told. */
  readonly refused: number
  readonly deadLetters: number
  readonly lateAnswers: number
}

export interface SupervisorHandle {
  /** Stops the children in reverse order of their start. A second call with `now` hurries the first. */
  readonly stop: (mode: "drain" | "now") => Effect.Effect<StopReport>
  readonly awaitExit: Effect.Effect<SupervisorExit>
  /** Every actor of the tree as it is now. */
  readonly graph: Effect.Effect<ReadonlyArray<GraphNode>>
  /** Kills an actor as a defect would. For tests and drills. */
  readonly crash: (name: string) => Effect.Effect<void>
}
