/** Signals and messages meet in every order; neither queue may lose anything, and signals go first. */
import { Effect } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { address, start } from "../../src/runtime/actor.ts"
import type { Tell } from "../../src/runtime/protocol.ts"
import { passTime, withTestClock } from "../../src/testing/test-clock.ts"

type Reader = { readonly Read: Tell<number> }

type Step = "tell" | "news" | "pause"

/** One actor that reads numbers and watches another, of which `news` says each time that it is down. */
const run = (steps: ReadonlyArray<Step>, handlingMs: number) =>
  withTestClock(
    Effect.gen(function* () {
      const log: Array<string> = []
      const watched = yield* address<Reader>({
        name: "watched",
        mailbox: { capacity: 1, overflow: { policy: "refuse" } }
      })
      const ref = yield* start<Reader, never, never>({
        name: "reader",
        mailbox: { capacity: 100, overflow: { policy: "block" } },
        behaviour: {
          init: (context) =>
            Effect.as(context.watch(watched.ref, { down: () => Effect.sync(() => void log.push("news")) }), {
              Read: (n) =>
                Effect.andThen(
                  Effect.sync(() => log.push(`read ${n}`)),
                  Effect.sleep(handlingMs)
                )
            })
        }
      })
      yield* passTime(1)
      const waitingAtNews: Array<ReadonlyArray<string>> = []
      let sent = 0
      for (const step of steps) {
        if (step === "tell") {
          sent += 1
          yield* ref.tell("Read", sent)
        } else if (step === "news") {
          waitingAtNews.push(
            Array.from({ length: sent }, (_, n) => `read ${n + 1}`).filter((line) => !log.includes(line))
          )
          watched.cell.announceDown(undefined)
        } else yield* passTime(1)
      }
      yield* passTime(100 * (handlingMs + 1))
      return { log, sent, waitingAtNews }
    })
  )

const steps = fc.array(fc.constantFrom<Step>("tell", "tell", "news", "pause"), { maxLength: 30 })
const handlingMs = fc.integer({ min: 0, max: 3 })

describe("an actor that gets signals and messages", () => {
  it("handles every one of both, messages in their order", async () => {
    await fc.assert(
      fc.asyncProperty(steps, handlingMs, async (steps, handlingMs) => {
        const { log, sent, waitingAtNews } = await run(steps, handlingMs)
        const expected = Array.from({ length: sent }, (_, n) => `read ${n + 1}`)
        expect(log.filter((line) => line !== "news")).toEqual(expected)
        expect(log.filter((line) => line === "news").length).toBe(waitingAtNews.length)
      }),
      { numRuns: 60 }
    )
  })

  it("turns to a signal before any message that was waiting when it came", async () => {
    await fc.assert(
      fc.asyncProperty(steps, handlingMs, async (steps, handlingMs) => {
        const { log, waitingAtNews } = await run(steps, handlingMs)
        const newsAt = log.flatMap((line, at) => (line === "news" ? [at] : []))
        for (const [index, waiting] of waitingAtNews.entries()) {
          for (const line of waiting)
            expect(log.indexOf(line)).toBeGreaterThan(newsAt[index] ?? Number.POSITIVE_INFINITY)
        }
      }),
      { numRuns: 60 }
    )
  })
})
