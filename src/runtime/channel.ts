/**
 * Events told to many, and mailboxes read as rxjs streams.
 *
 * An rxjs Subject cannot slow its source, and `concatMap` or `mergeMap` hide queues without a limit. So every
 * queue here stands before rxjs, is bounded, and has a rule for the slow receiver; rxjs gets one item per credit.
 */
import { Cause, Context, Data, Effect, Exit, type Fiber, type Scope } from "effect"
import { config, defer, Observable, Subject, type Subscription } from "rxjs"
import { Mailbox } from "./mailbox.ts"

export interface SubscribeOptions {
  /** How many events may wait for this subscriber. */
  readonly capacity: number
  /** `wait`: publishers wait for it. `dropOldest`: it misses events, counted. `fail`: it is ended. */
  readonly overflow: "wait" | "dropOldest" | "fail"
}

/** A subscriber that asked to be ended rather than to miss an event. */
export class SubscriberTooSlow extends Data.TaggedError("SubscriberTooSlow")<{ readonly channel: string }> {}

/** A mailbox gives each message to one receiver; a second one would take them away from the first. */
export class AlreadyConsumed extends Data.TaggedError("AlreadyConsumed")<{ readonly mailbox: string }> {}

export interface Channel<A> {
  readonly name: string
  /** Tells everybody; waits for subscribers with the rule `wait`. */
  readonly publish: (event: A) => Effect.Effect<void>
  /** Tells everybody without waiting: a full subscriber with the rule `wait` misses the event, counted. */
  readonly offer: (event: A) => void
  /** For operators. Its subscribers are called in the publisher's step and cannot slow it. */
  readonly observable: Observable<A>
  /** Handles events in a fiber that lives as long as the scope. A defect of the handler is counted, and it goes on. */
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
  /** Handlers that ended with a defect. */
  readonly failures: number
  readonly subscribers: number
}

const make = <A>(name: string): Channel<A> => {
  const subject = new Subject<A>()
  const inboxes = new Set<Mailbox<A>>()
  const counts = { published: 0, missed: 0, failures: 0 }

  const announce = (event: A) => {
    counts.published += 1
    subject.next(event)
    return [...inboxes]
  }
  const place = (inbox: Mailbox<A>, event: A) => {
    const placed = inbox.place(event)
    if (placed !== "full") return
    if (inbox.options.overflow.policy === "refuse") inbox.close()
    counts.missed += 1
  }
  const deliver = (inbox: Mailbox<A>, event: A) =>
    // A subscriber that has ended meanwhile needs no event.
    inbox.options.overflow.policy === "block"
      ? Effect.ignore(inbox.send(event))
      : Effect.sync(() => place(inbox, event))

  return {
    name,
    publish: (event) =>
      Effect.suspend(() => Effect.forEach(announce(event), (inbox) => deliver(inbox, event), { discard: true })),
    offer: (event) => {
      for (const inbox of announce(event)) place(inbox, event)
    },
    observable: subject.asObservable(),
    subscribe: (options, handle) =>
      Effect.suspend(() => {
        const inbox = inboxFor<A>(name, options, () => {
          counts.missed += 1
        })
        const countFailure = Effect.sync(() => {
          counts.failures += 1
        })
        const guarded = (event: A) =>
          Effect.catchCause(handle(event), (cause) =>
            Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause) : countFailure
          )
        const leave = Effect.sync(() => {
          inboxes.delete(inbox)
          inbox.close()
        })
        inboxes.add(inbox)
        return Effect.forkScoped(Effect.ensuring(handleAll(name, inbox, guarded), leave))
      }),
    get counters() {
      return {
        published: counts.published,
        dropped: counts.missed,
        failures: counts.failures,
        subscribers: inboxes.size
      }
    }
  }
}

export const Channel = { make }

const inboxFor = <A>(name: string, { capacity, overflow }: SubscribeOptions, onEvicted: () => void): Mailbox<A> => {
  if (overflow === "wait") return new Mailbox<A>({ name, capacity, overflow: { policy: "block" } })
  if (overflow === "fail") return new Mailbox<A>({ name, capacity, overflow: { policy: "refuse" } })
  return new Mailbox<A>({ name, capacity, overflow: { policy: "drop", which: "oldest" }, onEvicted })
}

const handleAll = <A, R>(
  name: string,
  inbox: Mailbox<A>,
  handle: (event: A) => Effect.Effect<void, never, R>
): Effect.Effect<void, SubscriberTooSlow, R> => {
  const next = Effect.suspend(() => {
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
  options: { readonly concurrency: number; readonly keyBy?: (message: A) => string },
  project: (message: A) => Observable<B>
): Observable<B> =>
  new Observable<B>((out) => {
    if (claimed.has(mailbox)) {
      out.error(new AlreadyConsumed({ mailbox: mailbox.options.name }))
      return undefined
    }
    claimed.add(mailbox)
    const inner = new Map<{ readonly message: A }, Subscription | undefined>()
    let isOver = false

    const isFree = (message: A) => {
      const { keyBy } = options
      if (keyBy === undefined) return true
      const key = keyBy(message)
      return ![...inner.keys()].some((other) => keyBy(other.message) === key)
    }
    const end = () => {
      isOver = true
      mailbox.unpark()
      claimed.delete(mailbox)
      const taken = [...inner]
      inner.clear()
      for (const [, subscription] of taken) subscription?.unsubscribe()
      mailbox.putBack(taken.map(([{ message }]) => message))
    }
    const settle = (lease: { readonly message: A }) => {
      const isMine = inner.delete(lease)
      if (isMine) mailbox.settle()
      return isMine
    }
    const begin = (message: A) => {
      const lease = { message }
      inner.set(lease, undefined)
      const subscription = defer(() => project(message)).subscribe({
        next: (value) => out.next(value),
        error: (error) => {
          if (settle(lease)) out.error(error)
        },
        complete: () => {
          if (settle(lease)) pull()
        }
      })
      if (inner.has(lease)) inner.set(lease, subscription)
      else subscription.unsubscribe()
    }
    let isPulling = false
    const pull = () => {
      if (isPulling) return
      isPulling = true
      while (!isOver && !out.closed && inner.size < options.concurrency) {
        const message = mailbox.lease(isFree)
        if (message === undefined) break
        begin(message)
      }
      isPulling = false
      if (isOver || out.closed) return
      if (mailbox.isClosed && mailbox.depth === 0 && inner.size === 0) out.complete()
      else mailbox.park(pull)
    }
    pull()
    return end
  })

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
    const subscription = stream.subscribe({
      error: (error) => resume(Effect.fail(error)),
      complete: () => resume(Effect.void)
    })
    return Effect.sync(() => subscription.unsubscribe())
  })

/** What subscribers to plain observables threw. rxjs would end the process with it, for a mere onlooker. */
export const onlookerFailures: { count: number; last: unknown } = { count: 0, last: undefined }

config.onUnhandledError = (error) => {
  onlookerFailures.count += 1
  onlookerFailures.last = error
}
