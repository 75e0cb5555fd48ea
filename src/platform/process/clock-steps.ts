/** Reports when the wall clock is set, by NTP or by hand (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET). Slewing is not a step. */
import { closeSync } from "node:fs"
import { Effect, type Scope } from "effect"
import { clockWasSet, openClock, openReadiness } from "../native/unix-addon.ts"
import { messageOf } from "./error-code.ts"

/** Fails with a sentence if the kernel does not allow it. */
export const watchClock = (onSet: () => void): Effect.Effect<void, string, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.try({
        try: () => open(onSet),
        catch: (error) => messageOf(error)
      }),
      (close) => Effect.sync(close)
    )
  )

const open = (onSet: () => void): (() => void) => {
  const clock = openClock()
  const close = () => {
    readiness.close()
    closeSync(clock)
  }
  const readiness = openReadiness(() => {
    if (clockWasSet(clock)) onSet()
  })
  try {
    readiness.watch(clock, "reading")
  } catch (error) {
    close()
    throw error
  }
  return close
}
