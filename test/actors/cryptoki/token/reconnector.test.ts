/** When a token's host is started, replaced and ended; on a clock that the test moves. */
import { Effect, Exit, Fiber, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import type { TokenHost } from "../../../../src/actors/cryptoki/host/host-client.ts"
import { makeReconnector, type Reconnector } from "../../../../src/actors/cryptoki/token/reconnector.ts"
import type { HostReplacement } from "../../../../src/actors/cryptoki/token/retry-policy.ts"
import { makeTokenConnection, type TokenConnection } from "../../../../src/actors/cryptoki/token/session.ts"
import { TokenUnavailable } from "../../../../src/messages/token-refusals.ts"
import { monotonicNow } from "../../../../src/runtime/primitives/monotonic-time.ts"
import { passTime, settled, withTestClock } from "../../../../src/testing/test-clock.ts"

const refusal = new TokenUnavailable({ token: "t", call: "C_Sign", code: "CKR_DEVICE_ERROR", detail: "" })
const broken: HostReplacement = { kind: "broken", refusal, reason: "C_Sign: CKR_DEVICE_ERROR" }
const removed: HostReplacement = { ...broken, kind: "removed" }

const host: TokenHost = {
  library: { manufacturer: "", description: "", version: "1.0" },
  isIdle: () => true,
  call: () => Effect.die(new Error("nothing is asked of this host"))
}
const facts = {
  slot: "0",
  slotDescription: "",
  slotManufacturer: "",
  label: "t",
  model: "",
  manufacturer: "",
  serial: "1",
  flags: 0
}

interface Bench {
  readonly reconnector: Reconnector
  /** Seconds at which a host was started. */
  readonly started: ReadonlyArray<number>
  readonly ended: () => number
  readonly told: ReadonlyArray<string>
  /** What the next attempts find. */
  finds: "token" | "nothing" | "fault"
  reinserted: number
}

const bench = (
  options: { readonly keepPollingMs?: number; readonly idleMs?: number } = {}
): Effect.Effect<Bench, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const started: Array<number> = []
    const told: Array<string> = []
    let ended = 0
    const state = { finds: "token" as Bench["finds"], reinserted: 0 }
    const open: Effect.Effect<TokenConnection | undefined, TokenUnavailable, Scope.Scope> = Effect.gen(function* () {
      const now = yield* monotonicNow
      started.push(now / 1000)
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          ended += 1
        })
      )
      if (state.finds === "fault") return yield* refusal
      return state.finds === "token" ? makeTokenConnection(host, { facts, library: host.library }, now) : undefined
    })
    const reconnector = yield* makeReconnector({
      token: "t",
      open,
      first: undefined,
      task: (effect) => Effect.asVoid(Effect.forkIn(effect, scope)),
      reinserted: () =>
        Effect.sync(() => {
          state.reinserted += 1
        }),
      publish: (event) => Effect.sync(() => void told.push(event._tag)),
      keepPollingMs: options.keepPollingMs ?? 0,
      idleMs: options.idleMs
    })
    return Object.assign(state, { reconnector, started, told, ended: () => ended })
  })

describe("the reconnector of a token", () => {
  it("starts no host before a request, and one for simultaneous requests", () =>
    withTestClock(
      Effect.gen(function* () {
        const { reconnector, started } = yield* bench()
        yield* passTime("1 hour")
        expect(started).toEqual([])
        const connections = yield* Effect.all(
          Array.from({ length: 10 }, () => reconnector.acquire),
          { concurrency: "unbounded" }
        )
        expect(new Set(connections).size).toBe(1)
        expect(started).toEqual([3600])
      })
    ))

  it("replaces a broken host immediately, then after 1, 2, and 4 seconds while requests wait", () =>
    withTestClock(
      Effect.gen(function* () {
        const b = yield* bench()
        const connection = yield* b.reconnector.acquire
        b.finds = "fault"
        yield* b.reconnector.invalidate(connection, broken)
        const askers = Effect.forever(Effect.exit(b.reconnector.acquire))
        const asking = yield* Effect.forkChild(askers)
        yield* settled
        for (let second = 0; second < 20; second++) yield* passTime("1 second")
        expect(b.started).toEqual([0, 0, 1, 3, 7, 11, 15, 19])
        yield* Fiber.interrupt(asking)
      })
    ))

  it("refuses after three attempts with what the last one said", () =>
    withTestClock(
      Effect.gen(function* () {
        const b = yield* bench()
        b.finds = "fault"
        const asked = yield* Effect.forkChild(Effect.exit(b.reconnector.acquire))
        yield* settled
        expect(asked.pollUnsafe()).toBeUndefined()
        yield* passTime("10 seconds")
        expect(yield* Fiber.join(asked)).toEqual(Exit.fail(refusal))
        expect(b.started).toHaveLength(3)
      })
    ))

  it("does not poll without waiting requests", () =>
    withTestClock(
      Effect.gen(function* () {
        const b = yield* bench()
        const connection = yield* b.reconnector.acquire
        b.finds = "nothing"
        yield* b.reconnector.invalidate(connection, removed)
        const asked = yield* Effect.forkChild(Effect.exit(b.reconnector.acquire))
        yield* passTime("10 seconds")
        yield* Fiber.join(asked)
        const attempts = b.started.length
        yield* passTime("1 hour")
        expect(b.started).toHaveLength(attempts)
      })
    ))

  it("polls for the configured time after the last request, and reports when the token is back", () =>
    withTestClock(
      Effect.gen(function* () {
        const b = yield* bench({ keepPollingMs: 600_000 })
        const connection = yield* b.reconnector.acquire
        b.finds = "nothing"
        yield* b.reconnector.invalidate(connection, removed)
        const asked = yield* Effect.forkChild(Effect.exit(b.reconnector.acquire))
        yield* passTime("5 minutes")
        yield* Fiber.join(asked)
        expect(b.told).toEqual(["TokenGone"])
        b.finds = "token"
        yield* passTime("4 seconds")
        expect(b.told).toEqual(["TokenGone", "HostReplaced", "TokenPlugged"])
        expect(b.reinserted).toBe(1)
      })
    ))

  it("stops looking then", () =>
    withTestClock(
      Effect.gen(function* () {
        const b = yield* bench({ keepPollingMs: 60_000 })
        b.finds = "nothing"
        const asked = yield* Effect.forkChild(Effect.exit(b.reconnector.acquire))
        yield* passTime("2 minutes")
        yield* Fiber.join(asked)
        const attempts = b.started.length
        yield* passTime("1 hour")
        expect(b.started).toHaveLength(attempts)
      })
    ))

  it("slows down as long as a new host breaks again, also when it opens well, and forgets that after work is done", () =>
    withTestClock(
      Effect.gen(function* () {
        const b = yield* bench()
        for (let round = 0; round < 4; round++) {
          const taking = yield* Effect.forkChild(b.reconnector.acquire)
          yield* passTime("4 seconds")
          yield* b.reconnector.invalidate(yield* Fiber.join(taking), broken)
        }
        const gaps = b.started.slice(1).map((at, index) => at - (b.started[index] ?? 0))
        expect(gaps).toEqual([4, 4, 4])
        const last = yield* Effect.forkChild(b.reconnector.acquire)
        yield* passTime("4 seconds")
        const connection = yield* Fiber.join(last)
        yield* b.reconnector.markHealthy
        yield* b.reconnector.invalidate(connection, broken)
        const before = b.started.length
        yield* b.reconnector.acquire
        expect(b.started).toHaveLength(before + 1)
      })
    ))

  it("ends the old host before it starts the next", () =>
    withTestClock(
      Effect.gen(function* () {
        const b = yield* bench()
        const connection = yield* b.reconnector.acquire
        yield* b.reconnector.invalidate(connection, broken)
        yield* b.reconnector.acquire
        expect(b.ended()).toBe(1)
        expect(b.started).toHaveLength(2)
      })
    ))

  it("takes no notice of a fault on a connection that was given up before", () =>
    withTestClock(
      Effect.gen(function* () {
        const b = yield* bench()
        const first = yield* b.reconnector.acquire
        yield* b.reconnector.invalidate(first, broken)
        const second = yield* b.reconnector.acquire
        yield* b.reconnector.invalidate(first, broken)
        expect(yield* b.reconnector.acquire).toBe(second)
      })
    ))

  it("ends a host after its idle time, and starts another for the next request", () =>
    withTestClock(
      Effect.gen(function* () {
        const b = yield* bench({ idleMs: 60_000 })
        yield* b.reconnector.acquire
        yield* passTime("40 seconds")
        yield* b.reconnector.acquire
        yield* passTime("40 seconds")
        expect(b.ended()).toBe(0)
        yield* passTime("20 seconds")
        expect(b.ended()).toBe(1)
        yield* b.reconnector.acquire
        expect(b.started).toEqual([0, 100])
        expect(b.told).toEqual([])
      })
    ))

  it("ends its host with its scope", () =>
    Effect.gen(function* () {
      const ended = yield* Effect.promise(() =>
        withTestClock(
          Effect.gen(function* () {
            const b = yield* bench()
            yield* b.reconnector.acquire
            return b.ended
          })
        )
      )
      expect(ended()).toBe(1)
    }).pipe(Effect.runPromise))
})
