/**
 * The running fibers of short pieces of work. Like Effect's FiberSet, whose table keeps everything that was ever in it
 * until the next full collection (see short-lived.ts); work given after the close is not begun.
 */
import { Cause, Deferred, Effect, Exit, Fiber, type Scope } from "effect"
import { ShortLivedSet } from "./short-lived.ts"

export class RunningFibers {
  private readonly fibers = new ShortLivedSet<Fiber.Fiber<void>>()
  private readonly failure = Deferred.makeUnsafe<void>()
  private readonly fork: (work: Effect.Effect<void>) => Fiber.Fiber<void>
  private isClosed = false

  private constructor(fork: (work: Effect.Effect<void>) => Fiber.Fiber<void>) {
    this.fork = fork
  }

  /** Those that still run are interrupted when the scope closes. */
  static readonly make: Effect.Effect<RunningFibers, never, Scope.Scope> = Effect.acquireRelease(
    Effect.map(Effect.context<never>(), (context) => new RunningFibers(Effect.runForkWith(context))),
    (running) =>
      Effect.suspend(() => {
        running.isClosed = true
        return Fiber.interruptAll([...running.fibers])
      })
  )

  /** Starts it; after the scope has closed it does nothing. */
  run(work: Effect.Effect<void>): void {
    if (this.isClosed) return
    const fiber = this.fork(work)
    if (this.isClosed) fiber.interruptUnsafe()
    this.fibers.add(fiber)
    fiber.addObserver((exit) => {
      this.fibers.delete(fiber)
      if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) Deferred.doneUnsafe(this.failure, exit)
    })
  }

  /** Fails with the first defect. */
  get failed(): Effect.Effect<void> {
    return Deferred.await(this.failure)
  }

  /** Waits until none runs. */
  get ended(): Effect.Effect<void> {
    return Effect.whileLoop({
      while: () => this.fibers.size > 0,
      body: () => Fiber.awaitAll([...this.fibers]),
      step: () => undefined
    })
  }
}
