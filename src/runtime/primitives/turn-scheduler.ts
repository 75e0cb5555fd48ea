/**
 * Runs fibers that pass something on within the same turn of the event loop.
 *
 * Effect's scheduler waits for the next turn at every hop between actors, and each turn is a system call or two: a
 * message that passes three actors would spend most of its time there. Every so often a hop goes through the event
 * loop all the same, so that actors that keep each other busy never keep sockets and timers waiting: after so many hops,
 * or so much time.
 */
import { Scheduler } from "effect"
import { processMonotonicMs } from "./process-time.ts"

/** Provide it as `Scheduler.Scheduler`. `now`: milliseconds. */
export const turnScheduler = (now: () => number = processMonotonicMs): Scheduler.Scheduler => {
  const turns = new Turns(now)
  return new Scheduler.MixedScheduler("async", (task) => turns.schedule(task))
}

class Turns {
  private readonly now: () => number
  private hops = 0
  private since = 0
  /** Tasks of this turn that have not ended. */
  private open = 0
  /** Tasks of the next turn: all by one call of the event loop, which would run several calls before any timer. */
  private later: Array<() => void> = []

  constructor(now: () => number) {
    this.now = now
  }

  schedule(task: () => void): () => void {
    let isCancelled = false
    const unlessCancelled = () => {
      if (!isCancelled) task()
    }
    // Work started by a socket or a timer gets its full time.
    if (this.open === 0 && this.later.length === 0) this.since = this.now()
    this.hops += 1
    if (this.hops < mostHopsInTurn && this.now() - this.since < longestInTurnMs) this.inThisTurn(unlessCancelled)
    else if (this.later.push(unlessCancelled) === 1) setImmediate(() => this.nextTurn())
    return () => {
      isCancelled = true
    }
  }

  private nextTurn(): void {
    const tasks = this.later
    this.later = []
    this.hops = 0
    this.since = this.now()
    for (const task of tasks) this.inThisTurn(task)
  }

  private inThisTurn(task: () => void): void {
    this.open += 1
    // Not queueMicrotask: in Node that is a resource of async_hooks for each task.
    void settled.then(() => {
      try {
        task()
      } finally {
        this.open -= 1
      }
    })
  }
}

const settled = Promise.resolve()
const mostHopsInTurn = 64
const longestInTurnMs = 5
