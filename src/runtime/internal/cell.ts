/**
 * The part of an actor that survives a restart: its mailbox, its counters, its watchers.
 *
 * Every ask is settled exactly once, by the handler, the deadline, the asker, or the stop.
 */
import { type Cause, type Clock, type Context, Effect } from "effect"
import { AskTimeout, PeerDown, Undeliverable } from "../errors.ts"
import type { EventSink, RuntimeEvent } from "../events.ts"
import { Mailbox, type MailboxOptions, type Overflow, stopped } from "../mailbox.ts"
import { Deadlines, type DeadlinesOwner } from "../primitives/deadlines.ts"
import { monotonicMs } from "../primitives/monotonic-time.ts"
import { wallMs } from "../primitives/wall-time.ts"
import type { Envelope } from "./envelope.ts"

/** `idle`: not started yet. `waiting`: ended, and will be restarted. `parked`: restart limit reached, see the reason. */
export type ActorState = "idle" | "starting" | "ready" | "stopping" | "waiting" | "parked" | "stopped"

/** Signals, which overtake data in a mailbox. */
export type Signal =
  /** `drain`: handle waiting messages, then end. `current`: handle nothing more. */
  | { readonly kind: "stop"; readonly mode: "drain" | "current" }
  /** Work for the actor's own turn. */
  | { readonly kind: "notice"; readonly work: Effect.Effect<void> }

/** How a watched actor ended; without a cause it was stopped. */
export interface ActorDown {
  readonly actor: string
  readonly cause: Cause.Cause<unknown> | undefined
}

interface Watcher {
  readonly onDown: (down: ActorDown) => void
  readonly onUp: () => void
}

/** It implements what its mailbox and its deadlines need, so that an idle actor allocates no closures. */
export class Cell implements MailboxOptions<Envelope>, DeadlinesOwner<Envelope> {
  readonly name: string
  readonly capacity: number
  readonly overflow: Overflow
  readonly mailbox: Mailbox<Envelope, Signal>
  readonly deadlines: Deadlines<Envelope>
  readonly clock: Clock.Clock
  readonly context: Context.Context<never>
  readonly events: EventSink
  state: ActorState = "idle"
  /** Why it is parked. */
  parkedFor: Cause.Cause<unknown> | undefined
  /** Until when, on the monotonic clock; undefined: permanently, or not at all. */
  parkedUntil: number | undefined
  /** Messages that the present incarnation is handling. */
  handling: Iterable<Envelope> | undefined
  handled = 0
  restarts = 0
  deadLetters = 0
  lateAnswers = 0
  waitMs = 0
  longestWaitMs = 0
  handlingMs = 0
  longestHandlingMs = 0
  private watchers: Set<Watcher> | undefined
  /** The current incarnation. */
  private occupant: object | undefined

  constructor(options: {
    readonly name: string
    readonly capacity: number
    readonly overflow: Overflow
    readonly clock: Clock.Clock
    readonly context: Context.Context<never>
    readonly events: EventSink
  }) {
    this.name = options.name
    this.capacity = options.capacity
    this.overflow = options.overflow
    this.clock = options.clock
    this.context = options.context
    this.events = options.events
    this.deadlines = new Deadlines(this)
    this.mailbox = new Mailbox(this)
  }

  /** Each ask has a waiting asker, so each is answered. */
  neverCoalesced(envelope: Envelope): boolean {
    return envelope.isAsk
  }

  onEvicted(envelope: Envelope): void {
    this.refuse(envelope, "full")
  }

  /** Milliseconds of the monotonic clock. */
  now(): number {
    return monotonicMs(this.clock)
  }

  /** Milliseconds since 1970, for display. */
  date(): number {
    return wallMs(this.clock)
  }

  publish(event: RuntimeEvent): void {
    this.events.publish(event)
  }

  dueAt(envelope: Envelope): number {
    return envelope.deadline
  }

  /** An incarnation starts. A previous one that still runs is ignored from now on. */
  occupy(incarnation: object): void {
    if (this.occupant !== undefined) this.announceDown(undefined)
    this.occupant = incarnation
    this.state = "starting"
  }

  /** False: another incarnation is current by now. */
  vacate(incarnation: object): boolean {
    if (this.occupant !== incarnation) return false
    this.occupant = undefined
    this.handling = undefined
    this.mailbox.clearSignals()
    this.state = "waiting"
    return true
  }

  /** A handler is about to begin. */
  begin(envelope: Envelope): void {
    envelope.isHandling = true
    envelope.startedAt = this.now()
    const waitedMs = envelope.startedAt - envelope.sentAt
    this.waitMs += waitedMs
    this.longestWaitMs = Math.max(this.longestWaitMs, waitedMs)
  }

  /** A handler has ended, however it did. */
  finish(envelope: Envelope): void {
    const tookMs = this.now() - envelope.startedAt
    this.handled += 1
    this.handlingMs += tookMs
    this.longestHandlingMs = Math.max(this.longestHandlingMs, tookMs)
    if (tookMs >= this.events.slowAfterMs) this.tellSlow(envelope, "done")
  }

  tellSlow(envelope: Envelope, stage: "handling" | "done"): void {
    const tookMs = this.now() - envelope.startedAt
    this.publish({ _tag: "Slow", actor: this.name, at: this.date(), message: envelope.tag, stage, tookMs })
  }

  /** The answer or refusal of a handler. */
  answer(envelope: Envelope, outcome: Effect.Effect<unknown, unknown>): void {
    if (!envelope.isAsk) return
    if (this.settle(envelope, outcome)) return
    this.lateAnswers += 1
    this.deadLetter(envelope, "answered too late")
  }

  /** The actor ends while handling this message. */
  abandon(envelope: Envelope): void {
    this.settle(envelope, Effect.fail(new PeerDown({ actor: this.name, message: envelope.tag })))
  }

  refuse(envelope: Envelope, reason: "full" | "stopped"): void {
    const actor = this.name
    const failure = reason === "full" ? new Undeliverable({ actor, reason }) : stopped(actor, this.reopensInMs())
    this.settle(envelope, Effect.fail(failure))
  }

  /** While it is parked: when it is restarted. */
  reopensInMs(): number | undefined {
    return this.parkedUntil === undefined ? undefined : Math.max(0, this.parkedUntil - this.now())
  }

  /** The deadline passed. A waiting message is removed; a running handler continues, and its answer will be late. */
  expire(envelope: Envelope): void {
    if (!envelope.isHandling) this.mailbox.withdraw(envelope)
    const stage = envelope.isHandling ? "handling" : "queued"
    const withinMs = envelope.deadline - envelope.sentAt
    this.settle(envelope, Effect.fail(new AskTimeout({ actor: this.name, message: envelope.tag, stage, withinMs })))
  }

  /** The asker was interrupted. */
  cancel(envelope: Envelope): void {
    this.deadlines.remove(envelope)
    if (!envelope.isHandling) this.mailbox.withdraw(envelope)
    envelope.cancel()
  }

  /** Asks the actor to end. When it is to be drained, nothing more is accepted from this moment on. */
  bringToStop(mode: "drain" | "current"): void {
    this.state = "stopping"
    if (mode === "drain") this.mailbox.close()
    this.mailbox.signal({ kind: "stop", mode })
  }

  /** No more messages are handled here, unless a supervisor reopens it. Returns how many were left. */
  close(state: "stopped" | "parked"): number {
    this.state = state
    this.mailbox.close()
    this.mailbox.clearSignals()
    const left = this.mailbox.clear()
    for (const envelope of left) this.rejectUnhandled(envelope, "stopped")
    this.deadlines.rest()
    return left.length
  }

  reopen(): void {
    this.parkedFor = undefined
    this.parkedUntil = undefined
    this.mailbox.reopen()
  }

  /** For actors whose waiting messages are meaningless to the next incarnation. */
  discardWaiting(): void {
    for (const envelope of this.mailbox.clear()) this.rejectUnhandled(envelope, "restarted")
  }

  /** Returns how to stop watching. A watcher of a stopped actor is notified at once. */
  watch(watcher: Watcher): () => void {
    this.watchers ??= new Set()
    this.watchers.add(watcher)
    if (this.state === "stopped" || this.state === "parked") {
      watcher.onDown({ actor: this.name, cause: this.parkedFor })
    }
    return () => void this.watchers?.delete(watcher)
  }

  announceDown(cause: Cause.Cause<unknown> | undefined): void {
    for (const watcher of this.watchers ?? []) watcher.onDown({ actor: this.name, cause })
  }

  announceUp(): void {
    for (const watcher of this.watchers ?? []) watcher.onUp()
  }

  private rejectUnhandled(envelope: Envelope, why: "stopped" | "restarted"): void {
    if (!envelope.isAsk) this.deadLetter(envelope, why)
    else if (why === "stopped") this.refuse(envelope, "stopped")
    else this.abandon(envelope)
  }

  private deadLetter(envelope: Envelope, why: "answered too late" | "stopped" | "restarted"): void {
    this.deadLetters += 1
    this.publish({ _tag: "DeadLetter", actor: this.name, at: this.date(), message: envelope.tag, why })
  }

  private settle(envelope: Envelope, outcome: Effect.Effect<unknown, unknown>): boolean {
    this.deadlines.remove(envelope)
    return envelope.settle(outcome)
  }
}
