/** What the bridge does with a message that a broker refuses: for now, or for good. */
import { Effect, Exit, Logger, Scope } from "effect"
import { describe, expect, it } from "vitest"
import { passTime, settled, withTestClock } from "../../../src/testing/test-clock.ts"
import { run, startBridge, up } from "./scripted-bridge.ts"

const quotaExceeded = 0x97
const heldTopic = "aws/cmd/held"

/** A bridge whose local broker refuses one topic. */
const startRefusing = (code: number) =>
  Effect.gen(function* () {
    const started = yield* startBridge
    started.local.refusing.set(heldTopic, code)
    yield* started.change("local", up(false))
    yield* started.change("cloud", up(false))
    const attempts = () => started.local.attempts.filter((topic) => topic === heldTopic).length
    const counters = Effect.map(
      started.bridge.ask("Status", undefined, { within: "1 second" }),
      ({ counters }) => counters
    )
    return { ...started, attempts, counters }
  })

const held = "thinedge/dev01/cmd/held"

describe("a message that the broker refuses for now", () => {
  it.each([0x80, 0x83, quotaExceeded])(
    "for %i is tried again, at longer and longer intervals, until it is taken",
    (code) =>
      run(
        Effect.gen(function* () {
          const { local, cloud, receive, attempts, counters } = yield* startRefusing(code)
          yield* receive("cloud", 1, held)
          const seen: Array<number> = []
          for (let second = 1; second <= 91; second++) {
            const before = attempts()
            yield* passTime("1 second")
            if (attempts() > before) seen.push(second)
          }
          expect(seen).toEqual([1, 3, 7, 15, 31, 61, 91])
          expect(cloud.acknowledged).toEqual([])
          expect(yield* counters).toMatchObject({ dropped: 0, waiting: 1 })
          local.refusing.clear()
          yield* passTime("30 seconds")
          expect(local.published).toEqual([heldTopic])
          expect(cloud.acknowledged).toEqual([1])
          expect(yield* counters).toMatchObject({ inbound: 1, dropped: 0, waiting: 0 })
        })
      )
  )

  it("holds up nothing else, neither what came with it nor what comes later", () =>
    run(
      Effect.gen(function* () {
        const { bridge, local, cloud, receive } = yield* startRefusing(quotaExceeded)
        const deliveries = ["first", "held", "last"].map((name, n) => ({
          delivery: n + 1,
          message: { topic: `thinedge/dev01/cmd/${name}`, payload: Buffer.from("x"), qos: 1 as const, retain: false }
        }))
        yield* Effect.ignore(bridge.tell("Received", { side: "cloud", deliveries }))
        yield* settled
        yield* receive("cloud", 4, "thinedge/dev01/cmd/later")
        expect(local.published).toEqual(["aws/cmd/first", "aws/cmd/last", "aws/cmd/later"])
        expect(cloud.acknowledged).toEqual([1, 3, 4])
      })
    ))

  it("is named in the log once for its topic", () => {
    const said: Array<unknown> = []
    return withTestClock(
      Effect.gen(function* () {
        const { receive } = yield* startRefusing(quotaExceeded)
        yield* receive("cloud", 1, held)
        yield* receive("cloud", 2, held)
        yield* passTime("1 minute")
        const lines = said.flat().filter((line) => String(line).startsWith("Holding back"))
        expect(lines).toEqual([expect.stringContaining(`on topic ${heldTopic}: the broker refused it temporarily`)])
      }).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void said.push(message))])))
    )
  })

  it("is let go when its own broker gives it again", () =>
    run(
      Effect.gen(function* () {
        const { local, cloud, change, receive, counters } = yield* startRefusing(quotaExceeded)
        yield* receive("cloud", 1, held)
        yield* change("cloud", up(true))
        expect((yield* counters).waiting).toBe(0)
        local.refusing.clear()
        yield* receive("cloud", 2, held)
        yield* passTime("1 minute")
        expect(local.published).toEqual([heldTopic])
        expect(cloud.acknowledged).toContain(2)
      })
    ))

  it("is tried at once when the broker that refused it is connected again", () =>
    run(
      Effect.gen(function* () {
        const { local, cloud, change, receive } = yield* startRefusing(quotaExceeded)
        yield* receive("cloud", 1, held)
        local.refusing.clear()
        yield* change("local", up(true))
        expect(cloud.acknowledged).toEqual([1])
      })
    ))

  it("stays with its broker when the bridge is stopped, which does not wait for it", () =>
    run(
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { cloud, receive } = yield* Scope.provide(startRefusing(quotaExceeded), scope)
        yield* receive("cloud", 1, held)
        const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        yield* settled
        yield* settled
        expect(stopping.pollUnsafe()).toBeDefined()
        expect(cloud.acknowledged).toEqual([])
      })
    ))

  it("is still known as the bridge's own when it comes back after it was taken late", () =>
    run(
      Effect.gen(function* () {
        const { local, cloud, receive } = yield* startRefusing(quotaExceeded)
        local.refusing.set("aws/shadow/update", quotaExceeded)
        yield* receive("cloud", 1, "$aws/things/dev01/shadow/update")
        yield* passTime("3 minutes")
        // Ours is not published yet: this one is from another client.
        yield* receive("local", 1, "aws/shadow/update")
        expect(cloud.published).toHaveLength(1)
        local.refusing.clear()
        yield* passTime("30 seconds")
        expect(local.published).toEqual(["aws/shadow/update"])
        yield* receive("local", 2, "aws/shadow/update")
        expect(cloud.published).toHaveLength(1)
      })
    ))
})

describe("a message that the broker refuses permanently", () => {
  it.each([0x87, 0x90, 0x95, 0x99])("for %i is dropped", (code) =>
    run(
      Effect.gen(function* () {
        const { cloud, receive, attempts, counters } = yield* startRefusing(code)
        yield* receive("cloud", 1, held)
        yield* passTime("1 minute")
        expect(attempts()).toBe(1)
        expect(cloud.acknowledged).toEqual([1])
        expect(yield* counters).toMatchObject({ inbound: 0, dropped: 1, waiting: 0 })
      })
    )
  )
})
