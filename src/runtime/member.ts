/**
 * What a supervisor keeps, seen the same way whether it is an actor or another supervisor.
 */
import { type Cause, type Context, Effect, type Exit } from "effect"
import { type ChildSpec, type Decision, STOP_WITHIN } from "./actor.ts"
import { cellOf } from "./ref.ts"
import { launch, type RunningActor, type StopMode } from "./running.ts"
import { type GraphNode, StartTimeout, type StopReport } from "./supervision.ts"

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
  /** Stops it with its addresses open, so that it can be started again. */
  readonly stop: (mode: StopMode) => Effect.Effect<Pick<StopReport, "clean" | "forced">>
  /** It will not be started again, or not soon. Returns how many messages were left. */
  readonly close: (state: "stopped" | "parked", cause?: Cause.Cause<unknown>) => number
  readonly countRestart: () => void
  readonly crash: (name: string) => void
  readonly nodes: (supervisor: string) => ReadonlyArray<GraphNode>
}

// biome-ignore lint/suspicious/noExplicitAny: see AnyChild
export const actorMember = (spec: ChildSpec<any, any>, services: Context.Context<never>): Member => {
  const { cell } = spec.address
  const stopWithin = spec.stopWithin ?? STOP_WITHIN
  const startWithin = spec.startWithin ?? START_WITHIN
  let running: RunningActor | undefined
  let isStopping = false
  let wasStarted = false

  const stop = (mode: StopMode) =>
    Effect.gen(function* () {
      isStopping = true
      const isClean = running === undefined || (yield* running.stop(mode, stopWithin))
      running = undefined
      return isClean ? { clean: [spec.name], forced: [] } : { clean: [], forced: [spec.name] }
    })

  const start = ({ onReady, onEnded }: MemberListener) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        // What was sent before the first start was sent to this incarnation.
        if (wasStarted && spec.onRestart === "deadLetter") cell.discardWaiting()
        wasStarted = true
        cell.reopen()
        isStopping = false
        const launched = yield* launchIn(spec, services)
        running = launched
        const tooLate = Effect.fail(new StartTimeout({ actor: spec.name, within: startWithin }))
        yield* restore(Effect.timeoutOrElse(launched.ready, { duration: startWithin, orElse: () => tooLate })).pipe(
          Effect.onError(() => stop("now"))
        )
        onReady()
        launched.fiber.addObserver((exit) => {
          if (!isStopping) onEnded(exit)
        })
      })
    )

  return {
    name: spec.name,
    restart: spec.restart,
    decide: spec.decide ?? (() => "restart"),
    start,
    stop,
    close: (state, cause) => {
      cell.parkedFor = state === "parked" ? cause : undefined
      return cell.close(state)
    },
    countRestart: () => {
      cell.restarts += 1
    },
    crash: (name) => {
      if (name === spec.name) running?.fiber.interruptUnsafe()
    },
    nodes: (supervisor) => [nodeOf(spec, supervisor)]
  }
}

// The services the behaviour asks for are those the tree was started with; `Supervisor.start` asked for them.
const launchIn = (
  // biome-ignore lint/suspicious/noExplicitAny: see AnyChild
  spec: ChildSpec<any, any>,
  services: Context.Context<never>
): Effect.Effect<RunningActor> =>
  Effect.provideContext(launch(spec.address, spec.behaviour), services) as Effect.Effect<RunningActor>

// biome-ignore lint/suspicious/noExplicitAny: see AnyChild
const nodeOf = (spec: ChildSpec<any, any>, supervisor: string): GraphNode => {
  const { cell } = spec.address
  const { depth, capacity, maxDepth, dropped } = cell.mailbox
  const { state, handled, restarts, deadLetters, lateAnswers, longestWaitMs, longestHandlingMs, parkedFor } = cell
  const peers = (spec.peers ?? []).map((ref) => cellOf(ref)?.name ?? ref.name)
  return {
    ...{ name: spec.name, supervisor, state, peers, parkedFor },
    ...{ depth, capacity, maxDepth, dropped },
    ...{ handled, restarts, deadLetters, lateAnswers, longestWaitMs, longestHandlingMs }
  }
}

const START_WITHIN = "10 seconds"
