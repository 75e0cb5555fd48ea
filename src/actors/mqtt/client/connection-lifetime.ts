/** Whether a connection still is, for those who wait for something to happen on it. */
import { Effect } from "effect"
import { ShortLivedSet } from "../../../runtime/primitives/short-lived.ts"
import { ConnectionEnded } from "./connection-ended.ts"

/** What `start` returns is called when no fiber waits any more. */
type Start<A> = (answer: (value: A) => void) => unknown

export class ConnectionLifetime {
  private over: ConnectionEnded | undefined
  private readonly waiting = new ShortLivedSet<(over: ConnectionEnded) => void>()

  end(reason: ConnectionEnded["reason"]): void {
    if (this.over !== undefined) return
    const over = new ConnectionEnded({ reason })
    this.over = over
    for (const tell of [...this.waiting]) tell(over)
    this.waiting.clear()
  }

  /** Waits for `answer` to be called, or fails with the end of the connection. */
  within<A>(start: Start<A>): Effect.Effect<A, ConnectionEnded> {
    return Effect.callback<A, ConnectionEnded>((resume) => {
      if (this.over !== undefined) return resume(Effect.fail(this.over))
      const fail = (over: ConnectionEnded) => resume(Effect.fail(over))
      this.waiting.add(fail)
      const giveUp = start((value) => {
        this.waiting.delete(fail)
        resume(Effect.succeed(value))
      })
      return Effect.sync(() => {
        this.waiting.delete(fail)
        if (typeof giveUp === "function") giveUp()
      })
    })
  }
}
