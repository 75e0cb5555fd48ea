/** Waits for a fiber to end, for a limited time: also where the waiting fiber itself must not be interrupted. */
import { type Duration, Effect, type Fiber } from "effect"

/** False if the time limit passes first; the fiber is not interrupted. */
export const endsWithin = (fiber: Fiber.Fiber<unknown, unknown>, limit: Duration.Input): Effect.Effect<boolean> =>
  Effect.withFiber((waiting) => {
    if (fiber.pollUnsafe() !== undefined) return Effect.succeed(true)
    return Effect.callback<boolean>((resume) => {
      const timer = Effect.runForkWith(waiting.context)(Effect.sleep(limit))
      const forgetTimer = timer.addObserver(() => resume(Effect.succeed(false)))
      const forgetFiber = fiber.addObserver(() => {
        forgetTimer()
        timer.interruptUnsafe()
        resume(Effect.succeed(true))
      })
      return Effect.sync(() => {
        forgetTimer()
        forgetFiber()
        timer.interruptUnsafe()
      })
    })
  })
