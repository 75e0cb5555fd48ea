/**
 * A supervisor's member, with the same interface for an actor and another supervisor.
 */
import { type Cause, type Context, Effect, type Exit } from "effect"
import { type ChildSpec, type Decision, STOP_WITHIN } from "../actor.ts"
import { cellOf } from "../ref.ts"
import { type GraphNode, StartTimeout, type StopReport } from "../supervision.ts"
import type { Intensity } from "./restart-policy.ts"
import { launch, type RunningActor, type StopMode } from "./running.ts"

export type Ended = Exit.Exit<void, unknown>

export interface MemberListener {
  /** In the step in which its start can no longer be interrupted. */
  readonly onReady: () => void
  /** Once, unless it was stopped. */
  readonly onEnded: (exit: Ended) => void
}

export interface Member {
  readonly name: string
  readonly restart: "permanent" | "transient" | "temporary"
  readonly decide: (cause: Cause.Cause<unknown>) => Decision
  readonly start: (listener: MemberListener) => Effect.Effect<void, unknown>
  /** Stops it with its addresses open, so that it can be restarted. */
  readonly stop: (mode: StopMode) => Effect.Effect<Pick<StopReport, "clean" | "forced">>
  /** It will not be restarted, or not soon. Returns how many messages were left. */
  readonly close: (state: "stopped" | "parked", parked?: Parked) => number
  readonly countRestart: () => void
  readonly crash: (name: string) => void
  readonly nodes: (supervisor: string) => ReadonlyArray<GraphNode>
}

/** Why something is parked, and for how long; undefined: permanently. */
export interface Parked {
  readonly cause: Cause.Cause<unknown>
  readonly againAfterMs: number | undefined
}

/** One actor and its current incarnation. */
export class ActorMember implements Member {
  // biome-ignore lint/suspicious/noExplicitAny: see AnyChild
  private readonly spec: ChildSpec<any, any>
  private readonly services: Context.Context<never>
  private running: RunningActor | undefined
  private isStopping = false
  private wasStarted = false

  // biome-ignore lint/suspicious/noExplicitAny: see AnyChild
  constructor(spec: ChildSpec<any, any>, services: Context.Context<never>) {
    this.spec = spec
    this.services = services
  }

  get name(): string {
    return this.spec.name
  }

  get restart(): Member["restart"] {
    return this.spec.restart
  }

  decide(cause: Cause.Cause<unknown>): Decision {
    return this.spec.decide?.(cause) ?? "restart"
  }

  start(listener: MemberListener): Effect.Effect<void, unknown> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        Effect.suspend(() => this.launch()),
        (running) => {
          this.running = running
          return Effect.map(
            Effect.onError(restore(this.untilReady(running)), () => this.stop("now")),
            () => {
              listener.onReady()
              // By identity: a replaced one may end while its successor runs.
              running.fiber.addObserver((exit) => {
                if (this.running === running && !this.isStopping) listener.onEnded(exit)
              })
            }
          )
        }
      )
    )
  }

  stop(mode: StopMode): Effect.Effect<Pick<StopReport, "clean" | "forced">> {
    return Effect.suspend(() => {
      const { name, stopWithin = STOP_WITHIN } = this.spec
      this.isStopping = true
      const stopping = this.running?.stop(mode, stopWithin) ?? Effect.succeed(true)
      return Effect.map(stopping, (isClean) => {
        this.running = undefined
        return isClean ? { clean: [name], forced: [] } : { clean: [], forced: [name] }
      })
    })
  }

  close(state: "stopped" | "parked", parked?: Parked): number {
    const { cell } = this.spec.address
    const { cause, againAfterMs } = state === "parked" ? (parked ?? {}) : {}
    cell.parkedFor = cause
    cell.parkedUntil = againAfterMs === undefined ? undefined : cell.now() + againAfterMs
    return cell.close(state)
  }

  countRestart(): void {
    this.spec.address.cell.restarts += 1
  }

  crash(name: string): void {
    if (name === this.spec.name) this.running?.fiber.interruptUnsafe()
  }

  nodes(supervisor: string): ReadonlyArray<GraphNode> {
    return [nodeOf(this.spec, supervisor)]
  }

  private launch(): Effect.Effect<RunningActor> {
    const { address, behaviour, onRestart } = this.spec
    // Messages sent before the first start were sent to this incarnation.
    if (this.wasStarted && onRestart === "deadLetter") address.cell.discardWaiting()
    this.wasStarted = true
    address.cell.reopen()
    this.isStopping = false
    // The services that the behaviour needs are those the tree was started with; `Supervisor.start` required them.
    return Effect.provideContext(launch(address, behaviour), this.services) as Effect.Effect<RunningActor>
  }

  private untilReady(running: RunningActor): Effect.Effect<void, unknown> {
    const { name, startWithin = "10 seconds" } = this.spec
    return Effect.timeoutOrElse(running.ready, {
      duration: startWithin,
      orElse: () => Effect.fail(new StartTimeout({ actor: name, within: startWithin }))
    })
  }
}

// biome-ignore lint/suspicious/noExplicitAny: see AnyChild
const nodeOf = (spec: ChildSpec<any, any>, supervisor: string): GraphNode => {
  const { cell } = spec.address
  const { mailbox } = cell
  const now = cell.now()
  const inHand = [...(cell.handling ?? [])]
  return {
    name: spec.name,
    supervisor,
    state: cell.state,
    parkedFor: cell.parkedFor,
    retryInMs: cell.reopensInMs(),
    peers: (spec.peers ?? []).map((ref) => cellOf(ref)?.name ?? ref.name),
    overflow: cell.overflow.policy,
    capacity: cell.capacity,
    depth: mailbox.depth,
    maxDepth: mailbox.maxDepth,
    held: mailbox.held,
    oldestMs: now - (mailbox.peek()?.sentAt ?? now),
    handling: inHand.map(({ tag, startedAt }) => ({ message: tag, forMs: now - startedAt })),
    handled: cell.handled,
    waitMs: cell.waitMs,
    longestWaitMs: cell.longestWaitMs,
    handlingMs: cell.handlingMs,
    longestHandlingMs: cell.longestHandlingMs,
    restarts: cell.restarts,
    dropped: mailbox.dropped,
    coalesced: mailbox.coalesced,
    refused: mailbox.refused,
    deadLetters: cell.deadLetters,
    lateAnswers: cell.lateAnswers
  }
}

export interface Slot {
  readonly index: number
  readonly member: Member
  readonly intensity: Intensity
  state: "down" | "running" | "closed"
  /** Only of the one reported by `GaveUp`. */
  isParked: boolean
  attempts: number
  readyAt: number
}

export interface FailedStart {
  readonly slot: Slot
  readonly cause: Cause.Cause<unknown>
  /** Those to be started with it and after it. */
  readonly pending: ReadonlyArray<Slot>
}

export const makeSlot = (index: number, member: Member, intensity: Intensity): Slot => ({
  index,
  member,
  intensity,
  state: "down",
  isParked: false,
  attempts: 0,
  readyAt: Number.POSITIVE_INFINITY
})
