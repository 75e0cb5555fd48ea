/**
 * Wakes one fiber that looks for work. Several wake-ups before it looks are one, and one that comes before it waits is kept.
 */
import { Effect } from "effect"

export class WakeUp {
  private isDue = false
  private wake: (() => void) | undefined

  /** The fiber continues after the current step, and finds all that was added in it. */
  notify(): void {
    this.isDue = true
    const wake = this.wake
    this.wake = undefined
    wake?.()
  }

  /** By one fiber at a time. */
  readonly wait: Effect.Effect<void> = Effect.withFiber((fiber) =>
    Effect.callback((resume) => {
      let isInterrupted = false
      const proceed = () => {
        if (isInterrupted) return
        this.isDue = false
        resume(Effect.void)
      }
      if (this.isDue) return proceed()
      this.wake = () => void fiber.currentDispatcher.scheduleTask(proceed, 0)
      return Effect.sync(() => {
        isInterrupted = true
        this.wake = undefined
      })
    })
  )
}
