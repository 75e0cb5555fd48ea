/**
 * One incarnation of an actor, from `init` to the release of what it owns.
 *
 *   init -> ready -> turn, turn, turn ... -> end -> interrupt what still runs -> release
 *
 * A turn is one signal or one message. Each message is handled in a fiber of its own, so that the asker can
 * cancel it; the next turn begins when that fiber has ended, except for the tags declared as concurrent.
 */
import { Cause, Effect, Exit, Fiber, Scope } from "effect"
import type { ActorContext, AnyBehaviour, AnyHandlers } from "../behaviour.ts"
import { Deadlines } from "../primitives/deadlines.ts"
import { endsWithin } from "../primitives/ends-within.ts"
import { ShortLivedSet } from "../primitives/short-lived.ts"
import { type AnyRef, cellOf } from "../ref.ts"
import type { Cell, Signal } from "./cell.ts"
import { CurrentDeadline, type Envelope } from "./envelope.ts"
import { beginHop } from "./hop.ts"

interface IncarnationOptions<E, R> {
  readonly cell: Cell
  readonly self: AnyRef
  readonly behaviour: AnyBehaviour<E, R>
  readonly onReady: () => void
}

type Resume = (outcome: Effect.Effect<void, unknown>) => void

/** Runs until the actor ends. Succeeds if it was asked to end, fails with the cause otherwise. */
export const runIncarnation = <E, R>(options: IncarnationOptions<E, R>): Effect.Effect<void, unknown, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.withFiber((fiber) => new Incarnation(options, fiber).runIncarnation(restore))
  )

class Incarnation<E, R> {
  private readonly cell: Cell
  private readonly options: IncarnationOptions<E, R>
  /** Runs init and the turns. Interrupting it kills the actor. */
  private readonly fiber: Fiber.Fiber<unknown, unknown>
  private readonly scope = Scope.makeUnsafe()
  /** Created when first needed, like the watches, to keep an idle actor small. */
  private handling: ShortLivedSet<Envelope> | undefined
  private slow: Deadlines<Envelope> | undefined
  private watches: Array<() => void> | undefined
  private handlers: AnyHandlers | undefined
  /** Handlers for a watched actor. */
  private notice: Fiber.Fiber<void, unknown> | undefined
  private stopping: "drain" | "current" | undefined
  private failure: Cause.Cause<unknown> | undefined
  private inFlight = 0
  private isDone = false
  private isEnding = false

  constructor(options: IncarnationOptions<E, R>, fiber: Fiber.Fiber<unknown, unknown>) {
    this.cell = options.cell
    this.options = options
    this.fiber = fiber
  }

  runIncarnation(
    restore: <A, E2, R2>(effect: Effect.Effect<A, E2, R2>) => Effect.Effect<A, E2, R2>
  ): Effect.Effect<void, unknown, R> {
    this.cell.occupy(this)
    this.publish("Started")
    return Effect.matchCauseEffect(restore(this.initAndServe()), {
      onFailure: (cause) => this.end(Exit.failCause(cause)),
      onSuccess: () => this.end(Exit.void)
    })
  }

  /** A part of the actor failed beside its turns. */
  private fail(cause: Cause.Cause<unknown>): void {
    if (this.isEnding) return
    this.failure ??= cause
    this.fiber.interruptUnsafe()
  }

  private initAndServe(): Effect.Effect<void, unknown, R> {
    const init = Effect.suspend(() => this.options.behaviour.init(this.context()))
    return Effect.flatMap(Scope.provide(init, this.scope), (handlers) => {
      this.handlers = handlers
      this.cell.state = "ready"
      this.publish("Ready")
      this.options.onReady()
      this.cell.announceUp()
      return Effect.whileLoop({ while: () => !this.isDone, body: () => this.turn, step: () => undefined })
    })
  }

  private readonly turn: Effect.Effect<void, unknown> = Effect.callback((resume) => {
    this.takeTurn(resume)
    return this.unpark
  })

  private readonly unpark = Effect.sync(() => this.cell.mailbox.unpark())

  /** Removal from the mailbox and the start of the handler happen in this one synchronous step. */
  private takeTurn(resume: Resume): void {
    const signal = this.cell.mailbox.pollSignal()
    if (signal !== undefined) this.obey(signal, resume)
    else if (this.isFinished()) {
      this.isDone = true
      resume(Effect.void)
    } else {
      const envelope = this.nextMessage()
      if (envelope === undefined) this.park(resume)
      else if (this.isConcurrent(envelope)) this.handleBeside(envelope, resume)
      else this.handle(envelope, (failure) => resume(toEffect(failure)))
    }
  }

  /** A router's turn ends when the handler has started. */
  private handleBeside(envelope: Envelope, resume: Resume): void {
    this.inFlight += 1
    this.handle(envelope, (failure) => {
      this.inFlight -= 1
      if (this.keepsPlace(envelope)) this.cell.mailbox.release()
      if (failure === undefined) this.cell.mailbox.notify()
      else this.fail(failure)
    })
    resume(Effect.void)
  }

  private park(resume: Resume): void {
    this.cell.mailbox.park(() => {
      // Not in the sender's own step: a handler must not run inside the sender's current work.
      this.fiber.currentDispatcher.scheduleTask(() => resume(Effect.void), 0)
    })
  }

  private obey(signal: Signal, resume: Resume): void {
    if (signal.kind === "notice") {
      this.notice = Effect.runForkWith(this.fiber.context)(signal.work)
      this.notice.addObserver((exit) => resume(exit))
      return
    }
    this.stopping = signal.mode
    resume(Effect.void)
  }

  private isFinished(): boolean {
    if (this.stopping === undefined || this.inFlight > 0) return false
    return this.stopping === "current" || this.cell.mailbox.depth === 0
  }

  private nextMessage(): Envelope | undefined {
    if (this.stopping === "current") return undefined
    const { mailbox } = this.cell
    for (let head = mailbox.peek(); head !== undefined; head = mailbox.peek()) {
      if (head.deadline <= this.cell.now()) {
        this.cell.expire(head)
        continue
      }
      if (
        this.isConcurrent(head) &&
        this.inFlight >= (this.options.behaviour.concurrent?.inFlight ?? Number.POSITIVE_INFINITY)
      )
        return undefined
      return mailbox.poll(this.keepsPlace(head))
    }
    return undefined
  }

  private isConcurrent(envelope: Envelope): boolean {
    return this.options.behaviour.concurrent?.tags.includes(envelope.tag) ?? false
  }

  private keepsPlace(envelope: Envelope): boolean {
    return this.isConcurrent(envelope) && this.options.behaviour.concurrent?.inFlight === undefined
  }

  private handle(envelope: Envelope, done: (failure: Cause.Cause<unknown> | undefined) => void): void {
    this.take(envelope)
    const hop = beginHop(this.cell, this.fiber, envelope)
    const handler = Effect.runForkWith(hop.context)(this.received(envelope))
    envelope.handler = handler
    if (envelope.isCancelled) handler.interruptUnsafe()
    handler.addObserver((exit) => {
      hop.end(exit)
      this.release(envelope)
      done(this.judge(envelope, exit))
    })
  }

  private take(envelope: Envelope): void {
    this.cell.begin(envelope)
    if (this.handling === undefined) this.cell.handling = this.handling = new ShortLivedSet()
    this.handling.add(envelope)
    // Reports a slow handler while it is still running: one that hangs never ends.
    this.slow ??= new Deadlines({
      context: this.cell.context,
      now: () => this.cell.now(),
      dueAt: ({ startedAt }) => startedAt + this.cell.events.slowAfterMs,
      expire: (envelope) => this.cell.tellSlow(envelope, "handling")
    })
    this.slow.add(envelope)
  }

  private release(envelope: Envelope): void {
    this.handling?.delete(envelope)
    this.slow?.remove(envelope)
    envelope.handler = undefined
    this.cell.finish(envelope)
  }

  private received(envelope: Envelope): Effect.Effect<unknown, unknown> {
    const { tag, payload } = envelope
    return Effect.suspend(() => {
      const handler = this.handlers?.[tag]
      return handler === undefined
        ? Effect.die(new Error(`${this.cell.name} has no handler for ${tag}`))
        : handler(payload)
    })
  }

  /** Settles the message; returns a cause if the actor cannot continue. */
  private judge(envelope: Envelope, exit: Exit.Exit<unknown, unknown>): Cause.Cause<unknown> | undefined {
    if (Exit.isSuccess(exit)) {
      this.cell.answer(envelope, exit)
      return undefined
    }
    const { cause } = exit
    const isRefusal = envelope.isAsk && Cause.hasFails(cause) && !Cause.hasDies(cause)
    if (isRefusal) this.cell.answer(envelope, exit)
    else this.cell.abandon(envelope)
    const wasInterruptedByUs = Cause.hasInterruptsOnly(cause) && (envelope.isCancelled || this.isEnding)
    return isRefusal || wasInterruptedByUs ? undefined : cause
  }

  private end(exit: Exit.Exit<void, unknown>): Effect.Effect<void, unknown> {
    this.isEnding = true
    const { cell } = this
    for (const envelope of this.handling ?? []) cell.abandon(envelope)
    for (const stopWatching of this.watches ?? []) stopWatching()
    return Effect.flatMap(Effect.exit(this.close(exit)), (released) => {
      const cause = this.failure ?? causeOf(exit) ?? causeOf(released)
      this.slow?.rest()
      // Replaced, and ended after its successor had started: the cell is the successor's.
      if (!cell.vacate(this)) return toEffect(cause)
      if (cause === undefined) this.publish("Stopped")
      else cell.publish({ _tag: "Failed", actor: cell.name, at: cell.date(), cause })
      cell.announceDown(cause)
      return toEffect(cause)
    })
  }

  /** Handlers first, then what the actor acquired, in reverse order; neither may block a restart. */
  private close(exit: Exit.Exit<void, unknown>): Effect.Effect<void, unknown> {
    const working = [...(this.handling ?? [])].flatMap((envelope) => envelope.handler ?? []).concat(this.notice ?? [])
    const closing = Effect.andThen(Fiber.interruptAll(working), Scope.close(this.scope, exit))
    return Effect.flatMap(Effect.forkDetach(closing, { uninterruptible: true, startImmediately: true }), (fiber) =>
      Effect.flatMap(endsWithin(fiber, "30 seconds"), (ended) =>
        ended ? Fiber.join(fiber) : Effect.die(new Error(`${this.cell.name} did not release what it owns in time`))
      )
    )
  }

  // biome-ignore lint/suspicious/noExplicitAny: see AnyBehaviour
  private context(): ActorContext<any> {
    return {
      self: this.options.self,
      task: (name, effect) => this.task(name, effect),
      watch: (ref, on) => Effect.sync(() => this.watch(ref, on)),
      stop: Effect.sync(() => this.cell.bringToStop("drain"))
    }
  }

  private task<A, E2, R2>(name: string, effect: Effect.Effect<A, E2, R2>): Effect.Effect<void, never, R2> {
    // It outlives the message that started it, so that message's deadline does not apply.
    const unlimited = Effect.provideService(effect, CurrentDeadline, Number.POSITIVE_INFINITY).pipe(
      Effect.annotateLogs({ actor: this.cell.name, task: name })
    )
    return Effect.map(Effect.forkIn(unlimited, this.scope), (fiber) => {
      fiber.addObserver((exit) => {
        if (Exit.isFailure(exit)) this.fail(exit.cause)
      })
    })
  }

  private watch(ref: AnyRef, on: Parameters<ActorContext<never>["watch"]>[1]): void {
    const watched = cellOf(ref)
    if (watched === undefined) return
    const notify = (work: Effect.Effect<void>) => this.cell.mailbox.signal({ kind: "notice", work })
    const stop = watched.watch({
      onDown: (down) => notify(Effect.suspend(() => on.down(down))),
      onUp: () => notify(Effect.suspend(() => on.up?.() ?? Effect.void))
    })
    this.watches ??= []
    this.watches.push(stop)
  }

  private publish(what: "Started" | "Ready" | "Stopped"): void {
    this.cell.publish({ _tag: what, actor: this.cell.name, at: this.cell.date() })
  }
}

const causeOf = (exit: Exit.Exit<void, unknown>) => (Exit.isFailure(exit) ? exit.cause : undefined)

const toEffect = (failure: Cause.Cause<unknown> | undefined): Effect.Effect<void, unknown> =>
  failure === undefined ? Effect.void : Effect.failCause(failure)
