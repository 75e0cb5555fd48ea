/** Many may use the road together, or one alone; first come, first served. */
import { Effect } from "effect"
import { ShortLivedSet } from "../../runtime/primitives/short-lived.ts"

interface Waiting {
  readonly isAlone: boolean
  readonly go: () => void
}

export class Road {
  private users = 0
  private isTaken = false
  private readonly line = new ShortLivedSet<Waiting>()

  /** Interrupting it gives the place back. */
  use<A, E, R>(isAlone: boolean, work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      let isIn = false
      const entered = Effect.callback<void>((resume) => {
        const waiting: Waiting = {
          isAlone,
          go: () => {
            isIn = true
            resume(Effect.void)
          }
        }
        this.line.add(waiting)
        this.letIn()
        return Effect.sync(() => {
          if (this.line.delete(waiting)) this.letIn()
        })
      })
      const left = Effect.sync(() => {
        if (isIn) this.leave(isAlone)
      })
      return Effect.ensuring(Effect.andThen(entered, work), left)
    })
  }

  private leave(isAlone: boolean): void {
    this.users -= 1
    if (isAlone) this.isTaken = false
    this.letIn()
  }

  private letIn(): void {
    for (;;) {
      const [next] = this.line
      if (next === undefined || this.isTaken || (next.isAlone && this.users > 0)) return
      this.line.delete(next)
      this.users += 1
      this.isTaken = next.isAlone
      next.go()
    }
  }
}
