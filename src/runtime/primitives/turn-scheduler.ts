/**
 * Runs fibers that pass something on within the same turn of the event loop.
 *
 * Effect's scheduler waits for the next turn at every hop between actors, and each turn is a system call or two: a
 * message that passes three actors would spend most of its time there. Every so often a hop goes through the event
 * loop all the same, so that actors that keep each other busy never keep sockets and timers waiting: after so many hops,
 * or so much time.
 */
import type { Fiber, Scheduler } from "effect"
import { processMonotonicMs } from "./process-time.ts"

/** Provide it as `Scheduler.Scheduler`. `now`: milliseconds. */
export const turnScheduler = (now: () => number = processMonotonicMs): Scheduler.Scheduler => new TurnScheduler(now)

/** Effect's own sorts tasks by a priority, which is always 0 here and ignored, and makes several objects for each. */
class TurnScheduler implements Scheduler.Scheduler {
  readonly executionMode = "async"
  private readonly turns: Turns

  constructor(now: () => number) {
    this.turns = new Turns(now)
  }

  /** As Effect's own. */
  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return new TurnDispatcher(this.turns)
  }
}

/** The tasks of one fiber: those that are scheduled together are one hop. */
class TurnDispatcher implements Scheduler.SchedulerDispatcher {
  private readonly turns: Turns
  private tasks: Array<() => void> | undefined

  constructor(turns: Turns) {
    this.turns = turns
  }

  scheduleTask(task: () => void): void {
    if (this.tasks === undefined) {
      this.tasks = [task]
      this.turns.schedule(this)
    } else this.tasks.push(task)
  }

  run(): void {
    const tasks = this.tasks ?? []
    this.tasks = undefined
    for (const task of tasks) task()
  }

  flush(): void {
    while (this.tasks !== undefined) this.run()
  }
}

/** One hop. */
interface Hop {
  readonly run: () => void
}

class Turns {
  private readonly now: () => number
  private hops = 0
  private since = 0
  /** Of this turn: run one after the other in one microtask, those that they add included. */
  private due: Array<Hop> = []
  /** Of the next turn: all by one call of the event loop, which would run several calls before any timer. */
  private later: Array<Hop> = []

  constructor(now: () => number) {
    this.now = now
  }

  schedule(hop: Hop): void {
    // Work started by a socket or a timer gets its full time.
    if (this.due.length === 0 && this.later.length === 0) this.since = this.now()
    this.hops += 1
    if (this.hops < mostHopsInTurn && this.now() - this.since < longestInTurnMs) this.inThisTurn(hop)
    else if (this.later.push(hop) === 1) setImmediate(() => this.nextTurn())
  }

  private nextTurn(): void {
    const hops = this.later
    this.later = []
    this.hops = 0
    this.since = this.now()
    for (const hop of hops) this.inThisTurn(hop)
  }

  private inThisTurn(hop: Hop): void {
    // Not queueMicrotask: in Node that is a resource of async_hooks for each call.
    if (this.due.push(hop) === 1) void settled.then(this.runDue)
  }

  private readonly runDue = (): void => {
    const { due } = this
    let done = 0
    try {
      for (let hop = due[done]; hop !== undefined; hop = due[done]) {
        done += 1
        hop.run()
      }
    } finally {
      // More are left only if one has thrown, which is reported as any unhandled rejection.
      due.splice(0, done)
      if (due.length > 0) void settled.then(this.runDue)
    }
  }
}

const settled = Promise.resolve()
const mostHopsInTurn = 64
const longestInTurnMs = 5
