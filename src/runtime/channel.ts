/**
 * Events for many subscribers, and mailboxes read as rxjs streams.
 *
 * An rxjs Subject cannot slow its source, and `concatMap` or `mergeMap` hide queues without a limit. So every
 * queue here is in front of rxjs, is bounded, and has a rule for the slow receiver; rxjs gets one item per credit.
 */
import { Cause, Context, Data, Effect, Exit, type Fiber, type Scope } from "effect"
import { defer, Observable, Subject, type Subscriber, type Subscription } from "rxjs"
import { GuardedObservable } from "./internal/guarded-observable.ts"
import { Mailbox } from "./mailbox.ts"

export interface SubscribeOptions {
  /** How many events may wait for this subscriber. */
  readonly capacity: number
  /** `wait`: publishers wait for it. `dropOldest`: it misses events, counted. `fail`: its subscription ends. */
  readonly overflow: "wait" | "dropOldest" | "fail"
}

/** A subscriber with the rule `fail` was too slow. */
export class SubscriberTooSlow extends Data.TaggedError("SubscriberTooSlow")<{ readonly channel: string }> {}

/** A mailbox has a single receiver; a second one would take messages from the first. */
export class AlreadyConsumed extends Data.TaggedError("AlreadyConsumed")<{ readonly mailbox: string }> {}

export interface Channel<A> {
  readonly name: string
  /** Publishes to all; waits for subscribers with the rule `wait`. */
  readonly publish: (event: A) => Effect.Effect<void>
  /** Publishes to all without waiting: a full subscriber with the rule `wait` misses the event, counted. */
  readonly offer: (event: A) => void
  /** For operators. Its subscribers are called in the publisher's step and cannot slow it; what they throw is counted. */
  readonly observable: Observable<A>
  /** Handles events in a fiber that lives as long as the scope. A defect of the handler is counted, and it continues. */
  readonly subscribe: <R>(
    options: SubscribeOptions,
    handle: (event: A) => Effect.Effect<unknown, never, R>
  ) => Effect.Effect<Fiber.Fiber<void, SubscriberTooSlow>, never, R | Scope.Scope>
  readonly counters: ChannelCounters
}

export interface ChannelCounters {
  readonly published: number
  /** Events that some subscriber missed. */
  readonly dropped: number
  /** Handlers that ended with a defect, and what subscribers to the observable threw. */
  readonly failures: number
  readonly subscribers: number
}

const make = <A>(name: string): Channel<A> => new EventChannel<A>(name)

export const Channel = { make }

class EventChannel<A> implements Channel<A> {
  readonly name: string
  readonly observable: Observable<A>
  private readonly subject = new Subject<A>()
  private readonly inboxes = new Set<Mailbox<A>>()
  private published = 0
  private dropped = 0
  private failures = 0

  constructor(name: string) {
    this.name = name
    this.observable = new GuardedObservable(this.subject, () => {
      this.failures += 1
    })
  }

  get counters(): ChannelCounters {
    const { published, dropped, failures, inboxes } = this
    return { published, dropped, failures, subscribers: inboxes.size }
  }

  readonly publish = (event: A): Effect.Effect<void> =>
    Effect.suspend(() => Effect.forEach(this.announce(event), (inbox) => this.deliver(inbox, event), { discard: true }))

  readonly offer = (event: A): void => {
    for (const inbox of this.announce(event)) this.place(inbox, event)
  }

  readonly subscribe: Channel<A>["subscribe"] = (options, handle) =>
    Effect.suspend(() => {
      const inbox = inboxFor<A>(this.name, options, () => {
        this.dropped += 1
      })
      const leave = Effect.sync(() => {
        this.inboxes.delete(inbox)
        inbox.close()
      })
      this.inboxes.add(inbox)
      const handling = handleAll(this.name, inbox, (event) => this.guarded(Effect.suspend(() => handle(event))))
      return Effect.forkScoped(Effect.ensuring(handling, leave), { startImmediately: true })
    })

  private announce(event: A): ReadonlyArray<Mailbox<A>> {
    this.published += 1
    this.subject.next(event)
    return [...this.inboxes]
  }

  private deliver(inbox: Mailbox<A>, event: A): Effect.Effect<void> {
    // It can only fail because the subscriber has left, which then needs no event.
    if (inbox.options.overflow.policy === "block") return Effect.ignore(inbox.send(event))
    return Effect.sync(() => this.place(inbox, event))
  }

  private place(inbox: Mailbox<A>, event: A): void {
    if (inbox.place(event) !== "full") return
    this.dropped += 1
    if (inbox.options.overflow.policy === "refuse") inbox.close()
  }

  private guarded<R>(handling: Effect.Effect<unknown, never, R>): Effect.Effect<unknown, never, R> {
    const count = Effect.sync(() => {
      this.failures += 1
    })
    return Effect.catchCause(handling, (cause) => (Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause) : count))
  }
}

const inboxFor = <A>(name: string, { capacity, overflow }: SubscribeOptions, onEvicted: () => void): Mailbox<A> => {
  if (overflow === "wait") return new Mailbox<A>({ name, capacity, overflow: { policy: "block" } })
  if (overflow === "fail") return new Mailbox<A>({ name, capacity, overflow: { policy: "refuse" } })
  return new Mailbox<A>({ name, capacity, overflow: { policy: "drop", which: "oldest" }, onEvicted })
}

const handleAll = <A, R>(
  name: string,
  inbox: Mailbox<A>,
  handle: (event: A) => Effect.Effect<unknown, never, R>
): Effect.Effect<void, SubscriberTooSlow, R> => {
  const next = Effect.suspend((): Effect.Effect<unknown, SubscriberTooSlow, R> => {
    const event = inbox.poll()
    if (event !== undefined) return handle(event)
    return inbox.isClosed ? Effect.fail(new SubscriberTooSlow({ channel: name })) : inbox.untilReadable()
  })
  return Effect.forever(next)
}

/** Mailboxes that a stream is reading. */
const claimed = new WeakSet<object>()

/**
 * A stream over a mailbox: a message is taken when there is credit, and its inner stream's completion is the
 * credit for the next. An inner error is that message's failure and ends the stream; by that, and by
 * unsubscribing, the other inner streams are cancelled and their messages put back in their order. It
 * completes when the mailbox was closed and everything in it is done.
 */
export const consume = <A, B>(
  mailbox: Mailbox<A, never>,
  options: ConsumeOptions<A>,
  project: (message: A) => Observable<B>
): Observable<B> =>
  new Observable<B>((out) => {
    if (claimed.has(mailbox)) {
      out.error(new AlreadyConsumed({ mailbox: mailbox.options.name }))
      return undefined
    }
    claimed.add(mailbox)
    const reader = new Reader(mailbox, options, project, out)
    reader.pull()
    return () => reader.end()
  })

interface ConsumeOptions<A> {
  /** How many inner streams may run at once. */
  readonly concurrency: number
  /** Messages with the same key are handled one after another. */
  readonly keyBy?: (message: A) => string
}

interface Lease<A> {
  readonly message: A
}

class Reader<A, B> {
  private readonly mailbox: Mailbox<A, never>
  private readonly options: ConsumeOptions<A>
  private readonly project: (message: A) => Observable<B>
  private readonly out: Subscriber<B>
  /** In the order taken. Without a subscription while `project` is being subscribed to. */
  private readonly inner = new Map<Lease<A>, Subscription | undefined>()
  private isPulling = false

  constructor(
    mailbox: Mailbox<A, never>,
    options: ConsumeOptions<A>,
    project: (message: A) => Observable<B>,
    out: Subscriber<B>
  ) {
    this.mailbox = mailbox
    this.options = options
    this.project = project
    this.out = out
  }

  /** Takes as many messages as there is credit. An inner stream that completes synchronously re-enters here: hence the flag. */
  readonly pull = (): void => {
    if (this.isPulling) return
    this.isPulling = true
    while (!this.out.closed && this.inner.size < this.options.concurrency) {
      const message = this.mailbox.lease(this.isFree)
      if (message === undefined) break
      this.begin({ message })
    }
    this.isPulling = false
    if (this.out.closed) return
    const { isClosed, depth } = this.mailbox
    if (isClosed && depth === 0 && this.inner.size === 0) this.out.complete()
    else this.mailbox.park(this.pull)
  }

  end(): void {
    const { mailbox, inner } = this
    mailbox.unpark()
    claimed.delete(mailbox)
    const taken = [...inner]
    inner.clear()
    for (const [, subscription] of taken) subscription?.unsubscribe()
    mailbox.putBack(taken.map(([{ message }]) => message))
  }

  private begin(lease: Lease<A>): void {
    this.inner.set(lease, undefined)
    const subscription = defer(() => this.project(lease.message)).subscribe({
      next: (value) => this.out.next(value),
      error: (error) => {
        if (this.endLease(lease)) this.out.error(error)
      },
      complete: () => {
        if (this.endLease(lease)) this.pull()
      }
    })
    if (this.inner.has(lease)) this.inner.set(lease, subscription)
    else subscription.unsubscribe()
  }

  private endLease(lease: Lease<A>): boolean {
    const isMine = this.inner.delete(lease)
    if (isMine) this.mailbox.release()
    return isMine
  }

  private readonly isFree = (message: A): boolean => {
    const { keyBy } = this.options
    if (keyBy === undefined) return true
    const key = keyBy(message)
    return [...this.inner.keys()].every((other) => keyBy(other.message) !== key)
  }
}

/** An effect as a stream of its one answer. Unsubscribing interrupts it. */
export const fromEffect = <A, E, R = never>(
  effect: Effect.Effect<A, E, R>,
  services: Context.Context<R> = Context.empty() as Context.Context<R>
): Observable<A> =>
  new Observable<A>((out) => {
    const fiber = Effect.runForkWith(services)(effect)
    const forget = fiber.addObserver((exit) => {
      if (Exit.isFailure(exit)) out.error(Cause.squash(exit.cause))
      else {
        out.next(exit.value)
        out.complete()
      }
    })
    return () => {
      forget()
      fiber.interruptUnsafe()
    }
  })

/** Runs a stream until it completes; its error is the failure. Interrupting unsubscribes. */
export const untilComplete = (stream: Observable<unknown>): Effect.Effect<void, unknown> =>
  Effect.callback<void, unknown>((resume) => {
    let outcome: Effect.Effect<void, unknown> | undefined
    const subscription = stream.subscribe({
      error: (error) => {
        outcome = Effect.fail(error)
      },
      complete: () => {
        outcome = Effect.void
      }
    })
    // After all cleanup above: the waiting caller may subscribe again.
    subscription.add(() => {
      if (outcome !== undefined) resume(outcome)
    })
    return Effect.sync(() => subscription.unsubscribe())
  })
