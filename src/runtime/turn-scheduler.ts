/**
 * Fibers that hand something on within the same turn of the event loop.
 *
 * Effect's scheduler waits for the next turn at every hop between actors, and each turn is a system call or two: a
 * message that passes three actors would spend most of its time there. Every so often a hop goes through the event
 * loop all the same, so that actors that keep each other busy never keep sockets and timers waiting.
 */
import { Scheduler } from "effect"

/** Provide it as `Scheduler.Scheduler`. */
export const turnScheduler = (): Scheduler.Scheduler => {
  let hops = 0
  return new Scheduler.MixedScheduler("async", (task) => {
    hops += 1
    if (hops < mostHopsInTurn) return inThisTurn(task)
    const immediate = setImmediate(() => {
      hops = 0
      task()
    })
    return () => clearImmediate(immediate)
  })
}

const inThisTurn = (task: () => void): (() => void) => {
  let isCancelled = false
  queueMicrotask(() => {
    if (!isCancelled) task()
  })
  return () => {
    isCancelled = true
  }
}

const mostHopsInTurn = 64
