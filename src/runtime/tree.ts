/**
 * One supervisor at work: starts its members in order, restarts by its strategy, stops in reverse.
 *
 *   member ended -> what does its restart type say, what does `decide` say, is it one too many?
 *                -> job: stop the others concerned, pause, start them again in order
 *
 * A job is interrupted and swallowed by the next one that concerns any of its members.
 */

import { Cause, type Clock, type Context, Deferred, Effect, Exit, Fiber, Result } from "effect"
import type { EventSink } from "./events.ts"
import type { Ended, Member } from "./member.ts"
import { monotonicMs } from "./monotonic-time.ts"
import { Intensity, pauseBefore, toMs } from "./restart-policy.ts"
import type { StopMode } from "./running.ts"
import { StartFailed, type StopReport, type SupervisorExit, type SupervisorSpec, UnexpectedEnd } from "./supervision.ts"
import { wallMs } from "./wall-time.ts"

/** What a tree needs of its surroundings. */
export interface Surroundings {
  readonly context: Context.Context<never>
  readonly clock: Clock.Clock
  readonly events: EventSink
  /** Between 0 and 1, for jitter. */
  readonly chance: () => number
}

interface Slot {
  readonly index: number
  readonly member: Member
  readonly intensity: Intensity
  state: "down" | "running" | "closed"
  attempts: number
  readyAt: number
}

interface Job {
  readonly slots: ReadonlySet<Slot>
  fiber: Fiber.Fiber<void> | undefined
}

export interface TreeOptions {
  readonly spec: SupervisorSpec
  readonly members: ReadonlyArray<Member>
  readonly around: Surroundings
  /** Addresses are closed as soon as their actors have stopped: nobody above will start them again. */
  readonly isRoot: boolean
  readonly onExit: (exit: SupervisorExit) => void
}

export class Tree {
  private readonly options: TreeOptions
  private readonly slots: ReadonlyArray<Slot>
  private readonly jobs = new Set<Job>()
  private stopping: Deferred.Deferred<StopReport> | undefined

  constructor(options: TreeOptions) {
    this.options = options
    const { intensity, onExhausted } = options.spec
    const shared = new Intensity(intensity)
    this.slots = options.members.map((member, index) => ({
      index,
      member,
      intensity: onExhausted === "park" ? new Intensity(intensity) : shared,
      state: "down",
      attempts: 0,
      readyAt: Number.POSITIVE_INFINITY
    }))
  }

  /** All or none: when one does not get ready, or the starter is interrupted, those before it are stopped. */
  startAll(): Effect.Effect<void, StartFailed> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.onError(
        Effect.forEach(this.slots, (slot) => restore(this.startSlot(slot)), { discard: true }),
        () => this.stop("current")
      )
    )
  }

  stop(mode: StopMode): Effect.Effect<StopReport> {
    return Effect.uninterruptible(
      Effect.suspend(() => {
        if (this.stopping !== undefined) return this.hurry(this.stopping, mode)
        return this.stopForGood(mode, (report) => ({ _tag: "Stopped", report }))
      })
    )
  }

  /** Whether an actor waits, runs or was given up is the actor's own to know. */
  closeAll(state: "stopped" | "parked", cause?: Cause.Cause<unknown>): number {
    return this.slots.reduce((unhandled, slot) => unhandled + this.close(slot, state, cause), 0)
  }

  private stopForGood(mode: StopMode, toExit: (report: StopReport) => SupervisorExit): Effect.Effect<StopReport> {
    const done = Deferred.makeUnsafe<StopReport>()
    this.stopping = done
    return Effect.map(this.stopInReverse(mode), (report) => {
      this.options.onExit(toExit(report))
      Deferred.doneUnsafe(done, Effect.succeed(report))
      return report
    })
  }

  private hurry(done: Deferred.Deferred<StopReport>, mode: StopMode): Effect.Effect<StopReport> {
    const running = this.slots.filter((slot) => mode === "now" && slot.state === "running")
    return Effect.andThen(
      Effect.forEach(running, (slot) => slot.member.stop("now"), { concurrency: "unbounded" }),
      Deferred.await(done)
    )
  }

  private stopInReverse(mode: StopMode): Effect.Effect<StopReport> {
    return Effect.gen({ self: this }, function* () {
      yield* this.interrupt([...this.jobs])
      let report: StopReport = { clean: [], forced: [], unhandled: 0 }
      for (const slot of this.slots.toReversed()) {
        const { clean, forced } = yield* this.stopSlot(slot, mode)
        const unhandled = this.options.isRoot ? this.close(slot, "stopped") : 0
        report = {
          clean: [...report.clean, ...clean],
          forced: [...report.forced, ...forced],
          unhandled: report.unhandled + unhandled
        }
      }
      return report
    })
  }

  private stopSlot(slot: Slot, mode: StopMode): Effect.Effect<Pick<StopReport, "clean" | "forced">> {
    if (slot.state !== "running") return Effect.succeed({ clean: [], forced: [] })
    return Effect.map(slot.member.stop(mode), (report) => {
      slot.state = "down"
      return report
    })
  }

  private startSlot(slot: Slot): Effect.Effect<void, StartFailed> {
    const onReady = () => {
      slot.state = "running"
      slot.readyAt = this.now()
    }
    return Effect.catchCause(slot.member.start({ onReady, onEnded: (exit) => this.ended(slot, exit) }), (cause) =>
      Effect.fail(new StartFailed({ child: slot.member.name, cause }))
    )
  }

  private ended(slot: Slot, exit: Ended): void {
    slot.state = "down"
    if (this.stopping !== undefined) return
    const { restart, name } = slot.member
    const isFinal = restart === "temporary" || (restart === "transient" && Exit.isSuccess(exit))
    if (isFinal) this.close(slot, "stopped")
    else this.failed(slot, Exit.isFailure(exit) ? exit.cause : Cause.fail(new UnexpectedEnd({ actor: name })), [])
  }

  /** `pending`: others that were to be started after this one. */
  private failed(slot: Slot, cause: Cause.Cause<unknown>, pending: ReadonlyArray<Slot>): void {
    const concerned = this.concerned(slot, pending)
    const decision = slot.member.decide(cause)
    if (decision === "escalate") this.giveUp(slot, cause)
    else if (decision === "stop") this.park(slot, concerned, cause)
    else if (slot.intensity.allows(this.now())) this.restart(slot, concerned)
    else if (this.options.spec.onExhausted === "park") this.park(slot, concerned, cause)
    else this.giveUp(slot, cause)
  }

  /** By the strategy, and whoever a job that is now overtaken had not started yet. */
  private concerned(slot: Slot, pending: ReadonlyArray<Slot>): ReadonlyArray<Slot> {
    const { strategy } = this.options.spec
    const first = strategy === "one_for_all" ? 0 : slot.index
    const last = strategy === "one_for_one" ? slot.index : this.slots.length - 1
    const left = new Set([...this.slots.slice(first, last + 1), ...pending])
    for (const job of this.jobs) {
      if ([...job.slots].some((other) => left.has(other))) {
        for (const other of job.slots) if (other.state === "down") left.add(other)
      }
    }
    return this.slots.filter((other) => left.has(other) && other.state !== "closed")
  }

  private restart(slot: Slot, concerned: ReadonlyArray<Slot>): void {
    const afterMs = this.pause(slot)
    this.options.around.events.publish({ _tag: "Restarting", actor: slot.member.name, at: this.date(), afterMs })
    const again = concerned.filter((other) => other === slot || other.member.restart !== "temporary")
    const work = Effect.gen({ self: this }, function* () {
      yield* this.stopRunning(concerned)
      for (const other of concerned) if (!again.includes(other)) this.close(other, "stopped")
      yield* Effect.interruptible(Effect.sleep(afterMs))
      for (const [position, other] of again.entries()) {
        other.member.countRestart()
        const started = yield* Effect.result(Effect.interruptible(this.startSlot(other)))
        if (Result.isSuccess(started)) continue
        return { slot: other, cause: started.failure.cause, pending: again.slice(position) }
      }
      return undefined
    })
    this.run(concerned, work)
  }

  private pause(slot: Slot): number {
    const { backoff } = this.options.spec
    const wasStable = this.now() - slot.readyAt >= toMs(backoff.resetAfter)
    slot.attempts = wasStable ? 1 : slot.attempts + 1
    slot.readyAt = Number.POSITIVE_INFINITY
    return pauseBefore(slot.attempts - 1, backoff, this.options.around.chance())
  }

  private park(slot: Slot, concerned: ReadonlyArray<Slot>, cause: Cause.Cause<unknown>): void {
    this.options.around.events.publish({ _tag: "GaveUp", actor: slot.member.name, at: this.date(), cause })
    this.close(slot, "parked", cause)
    const others = concerned.filter((other) => other !== slot)
    const work = Effect.gen({ self: this }, function* () {
      yield* this.stopRunning(others)
      for (const other of others) this.close(other, "parked", cause)
      return undefined
    })
    this.run(concerned, work)
  }

  private giveUp(slot: Slot, cause: Cause.Cause<unknown>): void {
    this.options.around.events.publish({ _tag: "GaveUp", actor: this.options.spec.name, at: this.date(), cause })
    const stopping = this.stopForGood("current", () => ({ _tag: "GaveUp", child: slot.member.name, cause }))
    this.fork(Effect.uninterruptible(stopping))
  }

  private stopRunning(slots: ReadonlyArray<Slot>): Effect.Effect<void> {
    return Effect.forEach(slots.toReversed(), (slot) => this.stopSlot(slot, "current"), { discard: true })
  }

  /** Runs a job after the ones it overtakes; a start that fails in it is a failure like any other. */
  private run(concerned: ReadonlyArray<Slot>, work: Effect.Effect<FailedStart | undefined>): void {
    const overtaken = [...this.jobs].filter((job) => concerned.some((slot) => job.slots.has(slot)))
    for (const job of overtaken) this.jobs.delete(job)
    const job: Job = { slots: new Set(concerned), fiber: undefined }
    this.jobs.add(job)
    const whole = Effect.gen({ self: this }, function* () {
      yield* Effect.yieldNow
      yield* this.interrupt(overtaken)
      const failure = yield* work
      const isOvertaken = !this.jobs.delete(job)
      if (failure === undefined || isOvertaken || this.stopping !== undefined) return
      this.failed(failure.slot, failure.cause, failure.pending)
    })
    job.fiber = this.fork(Effect.uninterruptible(whole))
  }

  private interrupt(jobs: ReadonlyArray<Job>): Effect.Effect<void> {
    return Fiber.interruptAll(jobs.flatMap((job) => job.fiber ?? []))
  }

  private close(slot: Slot, state: "stopped" | "parked", cause?: Cause.Cause<unknown>): number {
    if (slot.state === "closed") return 0
    slot.state = "closed"
    return slot.member.close(state, cause)
  }

  private fork<A>(effect: Effect.Effect<A>): Fiber.Fiber<A> {
    return Effect.runForkWith(this.options.around.context)(effect)
  }

  private now(): number {
    return monotonicMs(this.options.around.clock)
  }

  private date(): number {
    return wallMs(this.options.around.clock)
  }
}

interface FailedStart {
  readonly slot: Slot
  readonly cause: Cause.Cause<unknown>
  /** Those that were to be started with it and after it. */
  readonly pending: ReadonlyArray<Slot>
}
