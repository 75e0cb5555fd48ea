/**
 * Wakes one fiber that looks for work. Several wake-ups before it looks are one, and one that comes before it waits is kept.
 */
import { Effect, type Fiber } from "effect"

export class WakeUp {
  private isDue = false
  private waiting: Waiting | undefined

  /** The fiber continues after the current step, and finds all that was added in it. */
  notify(): void {
    this.isDue = true
    const { waiting } = this
    if (waiting === undefined) return
    this.waiting = undefined
    waiting.fiber.currentDispatcher.scheduleTask(() => this.proceed(waiting), 0)
  }

  /** By one fiber at a time. */
  readonly wait: Effect.Effect<void> = Effect.withFiber((fiber) =>
    Effect.callback((resume) => {
      const waiting: Waiting = { fiber, resume, isInterrupted: false }
      if (this.isDue) return this.proceed(waiting)
      this.waiting = waiting
      return Effect.sync(() => {
        waiting.isInterrupted = true
        this.waiting = undefined
      })
    })
  )

  private proceed({ resume, isInterrupted }: Waiting): void {
    if (isInterrupted) return
    this.isDue = false
    resume(Effect.void)
  }
}

interface Waiting {
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly resume: (effect: Effect.Effect<void>) => void
  isInterrupted: boolean
}
