/**
 * The bounded queue in front of an actor: signals overtake data, data stays in order.
 *
 * A receiver never races two takes. It polls, and if there is nothing it parks until it is woken
 * (`park`); a removed message is handed over in the same synchronous step, so that an interruption can
 * come before or after, never between. A message is either in here or handed over.
 */
import { Effect } from "effect"
import { Undeliverable } from "./errors.ts"

/** A message for the rules of a mailbox. */
export interface Message {
  readonly tag: string
  readonly payload: unknown
}

/** What happens to a message if the mailbox is full. */
export type Overflow<A = Message> =
  /** The sender waits for room, in the order of sending. */
  | { readonly policy: "block" }
  /** The sender is refused immediately. */
  | { readonly policy: "refuse" }
  /** A waiting tell with the same key is replaced, and keeps its place; otherwise as `refuse`. */
  | { readonly policy: "coalesce"; readonly key: (message: A) => string }
  /** For taps only: a message is lost, and counted. */
  | { readonly policy: "drop"; readonly which: "oldest" | "newest" }

/** `waiting`: accepted later, when there is room; `admit` will be called. */
type Placed = "queued" | "waiting" | "full" | "closed"

type Admit = (outcome: "queued" | "closed") => void

export interface MailboxOptions<A> {
  readonly name: string
  readonly capacity: number
  readonly overflow: Overflow<A>
  /** If it is closed temporarily: when it reopens, in milliseconds from now. */
  readonly reopensInMs?: () => number | undefined
  /** Messages that `coalesce` must not replace: each has a waiting asker. */
  readonly neverCoalesced?: (item: A) => boolean
  /** A message that was accepted and then dropped by `drop: oldest`. */
  readonly onEvicted?: (item: A) => void
}

/** Not safe to share between several receivers: it has one `park` place. */
export class Mailbox<A, Signal = never> {
  /** Maximum number of waiting data messages so far. */
  maxDepth = 0
  /** Lost to `drop`. */
  dropped = 0
  /** Replaced by a newer one with the same key. */
  coalesced = 0
  /** Refused for lack of room. */
  refused = 0
  isClosed = false
  readonly options: MailboxOptions<A>
  private data: Array<A> = []
  private signals: Array<Signal> | undefined
  private senders: Array<{ readonly item: A; readonly admit: Admit }> | undefined
  private leased = 0
  private wake: (() => void) | undefined

  constructor(options: MailboxOptions<A>) {
    this.options = options
  }

  get capacity(): number {
    return this.options.capacity
  }

  /** Number of waiting data messages. Blocked senders are not counted: theirs are not accepted yet. */
  get depth(): number {
    return this.data.length
  }

  get held(): number {
    return this.senders?.length ?? 0
  }

  /** Adds an item by the overflow rule. Without `admit` it never waits. */
  place(item: A, admit?: Admit): Placed {
    if (this.isClosed) return "closed"
    if (this.coalesce(item)) return "queued"
    if (this.hasRoom() && this.held === 0) return this.append(item)
    const { overflow } = this.options
    if (overflow.policy === "drop") return this.drop(overflow.which, item)
    if (overflow.policy !== "block" || admit === undefined) return this.refuse()
    this.senders ??= []
    this.senders.push({ item, admit })
    return "waiting"
  }

  /** Signals are few and never refused, not even by a closed mailbox. */
  signal(signal: Signal): void {
    this.signals ??= []
    this.signals.push(signal)
    this.notify()
  }

  pollSignal(): Signal | undefined {
    return this.signals?.shift()
  }

  /** The next data message, without removing it. */
  peek(): A | undefined {
    return this.data[0]
  }

  /**
   * Removes the next data message; the caller must have handed it over before it returns. `keepsPlace`: it keeps its room
   * until `release`.
   */
  poll(keepsPlace = false): A | undefined {
    const item = this.data.shift()
    if (item === undefined) return undefined
    if (keepsPlace) this.leased += 1
    else this.admitSenders()
    return item
  }

  /** Removes the first matching message, keeping its room until `release` or `putBack`. */
  lease(fits: (item: A) => boolean): A | undefined {
    const index = this.data.findIndex(fits)
    if (index < 0) return undefined
    this.leased += 1
    return this.data.splice(index, 1)[0]
  }

  /** A message that was leased, or kept its place, is done. */
  release(): void {
    this.leased -= 1
    this.admitSenders()
  }

  /** Leased messages return to the front, in the order given. Into a closed mailbox too: they had been accepted. */
  putBack(items: ReadonlyArray<A>): void {
    this.leased -= items.length
    this.data.unshift(...items)
    this.notify()
  }

  /** Removes a message before it was handed over. False if it is no longer here. */
  withdraw(item: A): boolean {
    const index = this.data.indexOf(item)
    if (index >= 0) {
      this.data.splice(index, 1)
      this.admitSenders()
      return true
    }
    const waiting = this.senders?.findIndex((sender) => sender.item === item) ?? -1
    if (waiting < 0) return false
    this.senders?.splice(waiting, 1)
    return true
  }

  /** Accepts nothing more; blocked senders are refused; waiting messages stay. */
  close(): void {
    this.isClosed = true
    const senders = this.senders ?? []
    this.senders = undefined
    for (const sender of senders) sender.admit("closed")
    this.notify()
  }

  reopen(): void {
    this.isClosed = false
  }

  /** Removes and returns all waiting messages. Blocked senders move up, unless it is closed. */
  clear(): ReadonlyArray<A> {
    const left = this.data
    this.data = []
    this.admitSenders()
    return left
  }

  /** Removes the signals for a receiver that has ended. */
  clearSignals(): void {
    this.signals = undefined
  }

  /** Calls `wake` once, as soon as there may be something to poll. */
  park(wake: () => void): void {
    this.wake = wake
  }

  unpark(): void {
    this.wake = undefined
  }

  /** Wakes a parked receiver. */
  notify(): void {
    const wake = this.wake
    this.wake = undefined
    wake?.()
  }

  /** Sends, waiting for room if the rule is `block`. Interrupting a waiting sender withdraws its message. */
  send(item: A): Effect.Effect<void, Undeliverable> {
    return Effect.suspend(() => (this.mustWait() ? this.sendLater(item) : this.outcome(this.place(item))))
  }

  private sendLater(item: A): Effect.Effect<void, Undeliverable> {
    return Effect.callback((resume) => {
      const placed = this.place(item, (outcome) => resume(this.outcome(outcome)))
      if (placed === "waiting") return Effect.sync(() => void this.withdraw(item))
      resume(this.outcome(placed))
    })
  }

  private mustWait(): boolean {
    return !this.isClosed && this.options.overflow.policy === "block" && !(this.hasRoom() && this.held === 0)
  }

  /** Waits until there may be something to poll. */
  untilReadable(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      this.park(() => resume(Effect.void))
      if (this.data.length > 0 || this.isClosed) this.notify()
      return Effect.sync(() => this.unpark())
    })
  }

  private outcome(placed: Placed): Effect.Effect<void, Undeliverable> {
    if (placed === "queued" || placed === "waiting") return Effect.void
    // A tap loses messages by contract: its senders are not informed, the counter is.
    if (placed === "full" && this.options.overflow.policy === "drop") return Effect.void
    const actor = this.options.name
    if (placed !== "closed") return Effect.fail(new Undeliverable({ actor, reason: "full" }))
    return Effect.suspend(() => Effect.fail(stopped(actor, this.options.reopensInMs?.())))
  }

  private hasRoom(): boolean {
    return this.data.length + this.leased < this.options.capacity
  }

  private append(item: A): Placed {
    this.data.push(item)
    if (this.data.length > this.maxDepth) this.maxDepth = this.data.length
    this.notify()
    return "queued"
  }

  private refuse(): Placed {
    this.refused += 1
    return "full"
  }

  private drop(which: "oldest" | "newest", item: A): Placed {
    this.dropped += 1
    const oldest = which === "oldest" ? this.data.shift() : undefined
    if (oldest === undefined) return "full"
    this.options.onEvicted?.(oldest)
    return this.append(item)
  }

  private coalesce(item: A): boolean {
    const { overflow, neverCoalesced = () => false } = this.options
    if (overflow.policy !== "coalesce" || neverCoalesced(item)) return false
    const key = overflow.key(item)
    const index = this.data.findIndex((other) => !neverCoalesced(other) && overflow.key(other) === key)
    if (index < 0) return false
    this.data[index] = item
    this.coalesced += 1
    return true
  }

  private admitSenders(): void {
    while (this.senders !== undefined && this.senders.length > 0 && this.hasRoom()) {
      const sender = this.senders.shift()
      if (sender === undefined) return
      this.append(sender.item)
      sender.admit("queued")
    }
  }
}

export const stopped = (actor: string, retryInMs: number | undefined): Undeliverable =>
  new Undeliverable({ actor, reason: "stopped", ...(retryInMs !== undefined && { retryInMs }) })
