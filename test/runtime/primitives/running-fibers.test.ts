/** Fibers of short work: they end with their scope, and the first defect is reported. */
import { Effect, Exit, Fiber, Scope } from "effect"
import { describe, expect, it } from "vitest"
import { RunningFibers } from "../../../src/runtime/primitives/running-fibers.ts"

const withScope = <A>(body: (running: RunningFibers, scope: Scope.Closeable) => Effect.Effect<A>): Promise<A> =>
  Effect.runPromise(
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const running = yield* Scope.provide(RunningFibers.make, scope)
      return yield* Effect.ensuring(body(running, scope), Scope.close(scope, Exit.void))
    })
  )

/** Work whose end the test decides. */
const openWork = () => {
  let isInterrupted = false
  let end: (outcome: Effect.Effect<void>) => void = () => undefined
  const work = Effect.callback<void>((resume) => {
    end = resume
    return Effect.sync(() => {
      isInterrupted = true
    })
  })
  return {
    work,
    end: (outcome: Effect.Effect<void> = Effect.void) => end(outcome),
    wasInterrupted: () => isInterrupted
  }
}

const hasEnded = (fiber: Fiber.Fiber<unknown, unknown>): boolean => fiber.pollUnsafe() !== undefined

const settled = Effect.forEach(Array.from({ length: 10 }), () => Effect.yieldNow, { discard: true })

describe("running fibers", () => {
  it("start at once, and are interrupted when the scope closes; nothing starts afterwards", () =>
    withScope((running, scope) =>
      Effect.gen(function* () {
        const [first, second] = [openWork(), openWork()]
        running.run(first.work)
        running.run(second.work)
        first.end()
        yield* Scope.close(scope, Exit.void)
        expect(first.wasInterrupted()).toBe(false)
        expect(second.wasInterrupted()).toBe(true)
        let hasRun = false
        running.run(
          Effect.sync(() => {
            hasRun = true
          })
        )
        yield* settled
        expect(hasRun).toBe(false)
      })
    ))

  it("are interrupted also when they close the scope as they start", () =>
    withScope((running, scope) =>
      Effect.sync(() => {
        const open = openWork()
        running.run(
          Effect.suspend(() => {
            Effect.runFork(Scope.close(scope, Exit.void))
            return open.work
          })
        )
        expect(open.wasInterrupted()).toBe(true)
      })
    ))

  it("report the first defect, at once or later, and no interruption", () =>
    withScope((running) =>
      Effect.gen(function* () {
        const failed = yield* Effect.forkChild(Effect.exit(running.failed))
        running.run(Effect.void)
        running.run(Effect.interrupt)
        yield* settled
        expect(hasEnded(failed)).toBe(false)
        const work = openWork()
        running.run(work.work)
        work.end(Effect.die("the first"))
        running.run(Effect.die("the second"))
        expect(yield* Fiber.join(failed)).toEqual(Exit.die("the first"))
        expect(yield* Effect.exit(running.failed)).toEqual(Exit.die("the first"))
      })
    ))

  it("have ended when those that were started meanwhile have, too", () =>
    withScope((running) =>
      Effect.gen(function* () {
        yield* running.ended
        const [first, second] = [openWork(), openWork()]
        running.run(first.work)
        const ended = yield* Effect.forkChild(running.ended)
        yield* settled
        running.run(second.work)
        first.end()
        yield* settled
        expect(hasEnded(ended)).toBe(false)
        second.end(Effect.die("a defect ends it as well"))
        yield* Fiber.join(ended)
      })
    ))
})
