/**
 * Runs an effect in an order chosen by a seed: which fiber runs next, and where one has to yield.
 *
 * Its own clock moves to the next wake-up time: when no fiber can run, and now and
 * then before. So a run needs no real time, and a deadlock ends as a failure. The same
 * seed repeats the same run. For effects that wait only for each other and the clock.
 */
import { Clock, Duration, Effect, type Exit, type Fiber, type Scheduler, type Scope } from "effect"
import { messageOf } from "../platform/process/error-code.ts"

export interface Interleaved<A, E> {
  readonly exit: Exit.Exit<A, E>
  /** Fibers that sleep on, now that the effect has ended and everybody else has finished. */
  readonly stillAsleep: number
}

/** Throws, with the seed, when the effect never ends, or when `check` throws. */
export const interleaved = <A, E>(
  seed: number,
  effect: Effect.Effect<A, E, Scope.Scope>,
  check: (outcome: Interleaved<A, E>) => void
): void => {
  const chance = chanceFrom(seed)
  const world = new World(chance)
  const told = () => `seed ${seed}: see this order of events again with INTERLEAVING_SEED=${seed}`
  try {
    const scoped = Effect.provideService(Effect.scoped(effect), Clock.Clock, world)
    const fiber = Effect.runFork(scoped, { scheduler: world })
    world.runUntil(() => fiber.pollUnsafe() !== undefined)
    const exit = fiber.pollUnsafe()
    if (exit === undefined) throw new Error("deadlock: a fiber waits and nothing can wake it")
    world.runUntil(() => world.isIdle)
    check({ exit, stillAsleep: world.asleep })
  } catch (cause) {
    throw new Error(`${told()}\n${messageOf(cause)}`, { cause })
  }
}

/** New ones in every run of the suite; with INTERLEAVING_SEED only that one. */
export const seeds = (count: number): ReadonlyArray<number> => {
  const asked = process.env.INTERLEAVING_SEED
  if (asked !== undefined) return [Number(asked)]
  return Array.from({ length: count }, () => Math.floor(Math.random() * 2 ** 32))
}

export type Chance = () => number

/** Numbers from 0 to below 1: mulberry32. */
export const chanceFrom = (seed: number): Chance => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Scheduler and clock in one: every task of every fiber is in one bag. */
class World implements Scheduler.Scheduler, Clock.Clock {
  readonly executionMode = "async"
  private readonly chance: Chance
  /** How often a fiber that could go on has to let others go first. */
  private readonly pauses: number
  /** How often time passes although a fiber could run, as on a busy machine. */
  private readonly haste: number
  private tasks: Array<() => void> = []
  private timers: Array<{
    readonly at: number
    readonly wake: () => void
  }> = []
  private now = 0

  constructor(chance: Chance) {
    this.chance = chance
    this.pauses = oneOf([0, 0.05, 0.3], chance)
    this.haste = oneOf([0, 0.01, 0.1], chance)
  }

  /** No fiber can run unless time passes. */
  get isIdle(): boolean {
    return this.tasks.length === 0
  }

  get asleep(): number {
    return this.timers.length
  }

  /** Also ends when no fiber can run and none sleeps. */
  runUntil(isDone: () => boolean): void {
    for (let steps = 0; !isDone(); steps++) {
      if (steps > mostSteps) throw new Error("livelock: the fibers keep running without an end")
      const isHasty = this.chance() < this.haste
      const task = (isHasty ? this.nextTimer(hastyMs) : undefined) ?? this.draw(this.tasks) ?? this.nextTimer()
      if (task === undefined) return
      task()
    }
  }

  /** Never before a first step: Effect forgets the interruption of a fiber that pauses before it has begun. */
  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return fiber.currentOpCount > 1 && this.chance() < this.pauses
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return { scheduleTask: (task) => void this.tasks.push(task), flush: () => undefined }
  }

  currentTimeMillisUnsafe(): number {
    return this.now
  }

  currentTimeNanosUnsafe(): bigint {
    return BigInt(Math.round(this.now * 1e6))
  }

  monotonicTimeNanosUnsafe(): bigint {
    return this.currentTimeNanosUnsafe()
  }

  readonly currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = Effect.sync(() => this.monotonicTimeNanosUnsafe())

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const timer = { at: this.now + Duration.toMillis(duration), wake: () => resume(Effect.void) }
      this.timers.push(timer)
      return Effect.sync(() => {
        this.timers = this.timers.filter((other) => other !== timer)
      })
    })
  }

  private draw(from: Array<() => void>): (() => void) | undefined {
    return from.splice(Math.floor(this.chance() * from.length), 1)[0]
  }

  /** Of several that are due at once, any may be first. */
  private nextTimer(withinMs = Number.POSITIVE_INFINITY): (() => void) | undefined {
    const at = Math.min(...this.timers.map((timer) => timer.at))
    if (at - this.now > withinMs) return undefined
    const due = this.timers.filter((timer) => timer.at === at)
    const timer = due[Math.floor(this.chance() * due.length)]
    if (timer === undefined) return undefined
    this.now = Math.max(this.now, at)
    this.timers = this.timers.filter((other) => other !== timer)
    return timer.wake
  }
}

const oneOf = (rates: ReadonlyArray<number>, chance: Chance): number => rates[Math.floor(chance() * rates.length)] ?? 0

/** Longest piece of time that passes while a fiber could run. */
const hastyMs = 5

const mostSteps = 200_000
