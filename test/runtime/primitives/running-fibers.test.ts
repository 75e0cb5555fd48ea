/** Fibers of short work: they end with their scope, and the first defect is reported. */
import { Effect, Exit, Fiber, Scope } from "effect"
import fc from "fast-check"
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

  it("have ended when those that they start as they end have, too", () =>
    withScope((running) =>
      Effect.sync(() => {
        const [first, second] = [openWork(), openWork()]
        running.run(
          Effect.ensuring(
            first.work,
            Effect.sync(() => running.run(second.work))
          )
        )
        const ended = Effect.runFork(running.ended)
        first.end()
        expect(hasEnded(ended)).toBe(false)
        second.end()
        expect(hasEnded(ended)).toBe(true)
      })
    ))

  it("hold up the close until they have released what they hold, and start nothing meanwhile; one does not delay another", () =>
    withScope((running, scope) =>
      Effect.sync(() => {
        const [slow, other, late] = [openWork(), openWork(), openWork()]
        let hasBegun = false
        const startMore = Effect.sync(() =>
          running.run(
            Effect.suspend(() => {
              hasBegun = true
              return late.work
            })
          )
        )
        running.run(Effect.onInterrupt(Effect.never, () => Effect.andThen(startMore, slow.work)))
        running.run(other.work)
        const closing = Effect.runFork(Scope.close(scope, Exit.void))
        expect([other.wasInterrupted(), hasEnded(closing)]).toEqual([true, false])
        slow.end()
        expect([hasBegun, hasEnded(closing)]).toEqual([false, true])
      })
    ))

  it("end, fail, are awaited and are interrupted, each at its time, whatever the order of events", () =>
    fc.assert(
      fc.property(fc.array(fc.tuple(event, fc.nat({ max: 4 })), { maxLength: 60 }), (events) => {
        const scope = Effect.runSync(Scope.make())
        const running = Effect.runSync(Scope.provide(RunningFibers.make, scope))
        const failed = Effect.runFork(running.failed)
        const awaited: Array<{ readonly ended: Fiber.Fiber<void>; isOver: boolean }> = []
        const open: Array<ReturnType<typeof openWork>> = []
        const interrupted: Array<ReturnType<typeof openWork>> = []
        let defect: Exit.Exit<void> | undefined
        let isClosed = false
        for (const [n, [what, which]] of events.entries()) {
          const one = ["finish", "fail", "interrupt"].includes(what) ? open.splice(which, 1)[0] : undefined
          if (what === "run") {
            const work = openWork()
            running.run(work.work)
            if (!isClosed) open.push(work)
          } else if (what === "runInstantly") running.run(Effect.void)
          else if (what === "await") awaited.push({ ended: Effect.runFork(running.ended), isOver: false })
          else if (what === "finish") one?.end()
          else if (what === "interrupt") one?.end(Effect.interrupt)
          else if (what === "fail") {
            if (one !== undefined) defect ??= Exit.die(n)
            one?.end(Effect.die(n))
          } else {
            isClosed = true
            interrupted.push(...open.splice(0))
            expect(hasEnded(Effect.runFork(Scope.close(scope, Exit.void)))).toBe(true)
          }
          if (open.length === 0) for (const each of awaited) each.isOver = true
          expect(awaited.map(({ ended }) => hasEnded(ended))).toEqual(awaited.map(({ isOver }) => isOver))
          expect(open.map((each) => each.wasInterrupted())).toEqual(open.map(() => false))
          expect(interrupted.map((each) => each.wasInterrupted())).toEqual(interrupted.map(() => true))
          expect(failed.pollUnsafe()).toEqual(defect)
        }
      })
    ))
})

const event = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom("run" as const, "runInstantly" as const) },
  { weight: 6, arbitrary: fc.constantFrom("finish" as const, "fail" as const, "interrupt" as const) },
  { weight: 3, arbitrary: fc.constant("await" as const) },
  { weight: 1, arbitrary: fc.constant("close" as const) }
)
