/**
 * A running supervisor: starts its members in order, restarts by its strategy, stops in reverse.
 *
 *   member ended -> what does its restart type say, what does `decide` say, is it one too many?
 *                -> job: stop the others concerned, pause, start them again in order
 */
import { Cause, Deferred, Effect, Exit, Result } from "effect"
import type { RuntimeEvent } from "../events.ts"
import { monotonicMs } from "../primitives/monotonic-time.ts"
import { wallMs } from "../primitives/wall-time.ts"
import {
  StartFailed,
  type StopReport,
  type SupervisorExit,
  type SupervisorSpec,
  UnexpectedEnd
} from "../supervision.ts"
import { Jobs } from "./jobs.ts"
import { type Ended, type FailedStart, type Member, makeSlot, type Parked, type Slot } from "./member.ts"
import { Intensity, pauseBefore, toMs } from "./restart-policy.ts"
import type { StopMode } from "./running.ts"
import type { SupervisorEnvironment } from "./supervisor-environment.ts"

interface TreeOptions {
  readonly spec: SupervisorSpec
  readonly members: ReadonlyArray<Member>
  readonly around: SupervisorEnvironment
  /** Addresses are closed as soon as their actors have stopped: no supervisor will restart them. */
  readonly isRoot: boolean
  readonly onExit: (exit: SupervisorExit) => void
  /** Restarts are counted here, with those of other trees. */
  readonly intensity?: Intensity
  /** Called each time a member has stopped permanently, and the others continue. */
  readonly onDone?: () => void
}

export class Tree {
  private readonly options: TreeOptions
  private readonly slots: ReadonlyArray<Slot>
  private readonly jobs: Jobs<Slot>
  /** Failures during the first start, handled after it: in OTP, too, a supervisor gets them after its init. */
  private early: Array<FailedStart> | undefined = []
  private gaveUp: StartFailed | undefined
  private stopping: Deferred.Deferred<StopReport> | undefined

  constructor(options: TreeOptions) {
    this.options = options
    const { intensity, onExhausted } = options.spec
    const shared = options.intensity ?? new Intensity(intensity)
    this.jobs = new Jobs(options.around.context)
    this.slots = options.members.map((member, index) =>
      makeSlot(index, member, onExhausted === "park" ? new Intensity(intensity) : shared)
    )
  }

  /** All or none: if one does not become ready, or the starter is interrupted, those before it are stopped. */
  startAll(): Effect.Effect<void, StartFailed> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.onError(
        Effect.forEach([...this.slots, undefined], (slot) => restore(this.startNext(slot)), { discard: true }),
        () => this.stop("current")
      )
    )
  }

  /** Undefined: all have been started. */
  private startNext(slot: Slot | undefined): Effect.Effect<void, StartFailed> {
    return Effect.suspend(() => {
      if (this.gaveUp !== undefined) return Effect.fail(this.gaveUp)
      if (slot !== undefined) return this.startSlot(slot)
      const early = this.early ?? []
      this.early = undefined
      // The restart of an earlier one may concern the later ones, too; then they have been restarted with it.
      for (const { slot, cause } of early)
        if (this.jobs.about(new Set([slot])).length === 0) this.failed(slot, cause, [])
      return Effect.void
    })
  }

  stop(mode: StopMode): Effect.Effect<StopReport> {
    return Effect.uninterruptible(
      Effect.suspend(() => {
        if (this.stopping !== undefined) return this.hurry(this.stopping, mode)
        return this.stopForGood(mode, (report) => ({ _tag: "Stopped", report }))
      })
    )
  }

  /** Only the actor itself knows whether it waits, runs or was replaced. */
  closeAll(state: "stopped" | "parked", parked?: Parked): number {
    return this.slots.reduce((unhandled, slot) => unhandled + this.close(slot, state, parked), 0)
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
      yield* this.jobs.interruptAll()
      let report: StopReport = { clean: [], forced: [], unhandled: 0 }
      for (const slot of this.slots.toReversed()) {
        const { clean, forced } = yield* this.stopSlot(slot, mode)
        if (slot.isParked) this.publish({ _tag: "Stopped", actor: slot.member.name, at: this.date() })
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
      slot.isParked = false
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
    if (isFinal) {
      this.close(slot, "stopped")
      this.options.onDone?.()
      return
    }
    const cause = Exit.isFailure(exit) ? exit.cause : Cause.fail(new UnexpectedEnd({ actor: name }))
    // A restart that concerns siblings waits until they have been started once.
    if (this.early !== undefined && this.options.spec.strategy !== "one_for_one")
      this.early.push({ slot, cause, pending: [] })
    else this.failed(slot, cause, [])
  }

  /** `pending`: others to be started after this one. */
  private failed(slot: Slot, cause: Cause.Cause<unknown>, pending: ReadonlyArray<Slot>): void {
    const concerned = this.concerned(slot, pending)
    const decision = slot.member.decide(cause)
    const { onExhausted, retryParked = "5 minutes" } = this.options.spec
    if (decision === "escalate") this.giveUp(slot, cause)
    else if (decision === "stop") this.park(slot, concerned, cause, undefined)
    else if (slot.intensity.allows(this.now())) this.restart(slot, concerned)
    else if (onExhausted === "park") this.park(slot, concerned, cause, toMs(retryParked))
    else this.giveUp(slot, cause)
  }

  /** By the strategy, and those that a replaced job had not started yet. */
  private concerned(slot: Slot, pending: ReadonlyArray<Slot>): ReadonlyArray<Slot> {
    const { strategy } = this.options.spec
    const first = strategy === "one_for_all" ? 0 : slot.index
    const last = strategy === "one_for_one" ? slot.index : this.slots.length - 1
    const left = new Set([...this.slots.slice(first, last + 1), ...pending])
    for (const job of this.jobs.about(left)) {
      for (const other of job.slots) if (other.state === "down") left.add(other)
    }
    return this.slots.filter((other) => left.has(other) && other.state !== "closed")
  }

  private restart(slot: Slot, concerned: ReadonlyArray<Slot>): void {
    const afterMs = this.pause(slot)
    this.publish({ _tag: "Restarting", actor: slot.member.name, at: this.date(), afterMs })
    const again = concerned.filter((other) => other === slot || other.member.restart !== "temporary")
    const work = Effect.gen({ self: this }, function* () {
      yield* this.stopRunning(concerned)
      for (const other of concerned) if (!again.includes(other)) this.close(other, "stopped")
      yield* Effect.interruptible(Effect.sleep(afterMs))
      return yield* this.startAgain(again)
    })
    this.run(concerned, work)
  }

  private startAgain(slots: ReadonlyArray<Slot>): Effect.Effect<FailedStart | undefined> {
    return Effect.gen({ self: this }, function* () {
      for (const [position, slot] of slots.entries()) {
        slot.member.countRestart()
        const started = yield* Effect.result(Effect.interruptible(this.startSlot(slot)))
        if (Result.isSuccess(started)) continue
        return { slot, cause: started.failure.cause, pending: slots.slice(position) }
      }
      return undefined
    })
  }

  private pause(slot: Slot): number {
    const { backoff } = this.options.spec
    const wasStable = this.now() - slot.readyAt >= toMs(backoff.resetAfter)
    slot.attempts = wasStable ? 1 : slot.attempts + 1
    slot.readyAt = Number.POSITIVE_INFINITY
    return pauseBefore(slot.attempts - 1, backoff, this.options.around.chance())
  }

  /** `againAfterMs`: undefined: never. */
  private park(
    slot: Slot,
    concerned: ReadonlyArray<Slot>,
    cause: Cause.Cause<unknown>,
    againAfterMs: number | undefined
  ): void {
    const { name } = slot.member
    this.publish({ _tag: "GaveUp", actor: name, at: this.date(), cause, againAfterMs })
    const parked = { cause, againAfterMs }
    slot.isParked = true
    this.close(slot, "parked", parked)
    const others = concerned.filter((other) => other !== slot)
    const work = Effect.gen({ self: this }, function* () {
      yield* this.stopRunning(others)
      for (const other of others) this.close(other, "parked", parked)
      if (againAfterMs === undefined) return undefined
      yield* Effect.interruptible(Effect.sleep(againAfterMs))
      const again = concerned.filter((other) => other === slot || other.member.restart !== "temporary")
      for (const other of again) {
        other.state = "down"
        other.attempts = 0
      }
      return yield* this.startAgain(again)
    })
    this.run(concerned, work)
  }

  private giveUp(slot: Slot, cause: Cause.Cause<unknown>): void {
    const { name } = this.options.spec
    this.publish({ _tag: "GaveUp", actor: name, at: this.date(), cause, againAfterMs: undefined })
    const child = slot.member.name
    // The starter stops what it started.
    if (this.early !== undefined) this.gaveUp = new StartFailed({ child, cause })
    else this.jobs.fork(Effect.uninterruptible(this.stopForGood("current", () => ({ _tag: "GaveUp", child, cause }))))
  }

  private stopRunning(slots: ReadonlyArray<Slot>): Effect.Effect<void> {
    return Effect.forEach(slots.toReversed(), (slot) => this.stopSlot(slot, "current"), { discard: true })
  }

  /** A failed start in a job is a failure like any other. */
  private run(concerned: ReadonlyArray<Slot>, work: Effect.Effect<FailedStart | undefined>): void {
    this.jobs.start(concerned, work, (failure) => {
      if (failure === undefined || this.stopping !== undefined) return
      this.failed(failure.slot, failure.cause, failure.pending)
    })
  }

  private close(slot: Slot, state: "stopped" | "parked", parked?: Parked): number {
    if (slot.state === "closed") return 0
    slot.state = "closed"
    return slot.member.close(state, parked)
  }

  private publish(event: RuntimeEvent): void {
    this.options.around.events.publish(event)
  }

  private now(): number {
    return monotonicMs(this.options.around.clock)
  }

  private date(): number {
    return wallMs(this.options.around.clock)
  }
}
