/**
 * So many at a time, the others wait in line: first come, first served.
 *
 * Effect's Semaphore looks through all who wait whenever one leaves; with many in line that costs more than their work.
 */
import { Effect } from "effect"
import { ShortLivedSet } from "./short-lived.ts"

export class Permits {
  private total: number
  private taken = 0
  private isLettingIn = false
  private readonly line = new ShortLivedSet<() => void>()

  constructor(total: number) {
    this.total = total
  }

  /** Calls `go` when there is room, perhaps at once. Answers how to leave the line; it does nothing after `go`. */
  enter(go: () => void): () => void {
    if (this.taken < this.total) {
      this.taken += 1
      go()
      return () => {}
    }
    this.line.add(go)
    return () => void this.line.delete(go)
  }

  /** One whose `go` was called is done. */
  leave(): void {
    this.taken -= 1
    this.letIn()
  }

  /** With less than are under way nobody is let in until enough have left. */
  resize(total: number): void {
    this.total = total
    this.letIn()
  }

  /** Works when there is room. Interrupting it gives the room, or the place in the line, to those behind. */
  withPermit<A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.withFiber((fiber) => {
      let leave = () => {}
      let isInLine = false
      const isIn = Effect.callback<void>((resume) => {
        const giveUp = this.enter(() => {
          leave = () => this.leave()
          // Not in the step of whoever has left: a line of thousands would be as many calls deep.
          if (isInLine) fiber.currentDispatcher.scheduleTask(() => resume(Effect.void), 0)
          else resume(Effect.void)
        })
        isInLine = true
        return Effect.sync(giveUp)
      })
      return Effect.ensuring(
        Effect.andThen(isIn, work),
        Effect.sync(() => leave())
      )
    })
  }

  private letIn(): void {
    // Whoever is let in may leave at once; in the loop that goes on, as a long line would be as many calls deep.
    if (this.isLettingIn) return
    this.isLettingIn = true
    try {
      while (this.taken < this.total) {
        const [next] = this.line
        if (next === undefined) return
        this.line.delete(next)
        this.taken += 1
        next()
      }
    } finally {
      this.isLettingIn = false
    }
  }
}
