/** Trees that cannot work are not started. */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { address, type Behaviour, child } from "../../src/runtime/actor.ts"
import type { ActorRef, Tell } from "../../src/runtime/protocol.ts"
import type { AnyChild } from "../../src/runtime/supervision.ts"
import { Supervisor } from "../../src/runtime/supervisor.ts"
import { withTestClock } from "../../src/testing/test-clock.ts"

type Link = { readonly Go: Tell<void> }

const idle: Behaviour<Link> = { init: () => Effect.succeed({ Go: () => Effect.void }) }
const place = (name: string, policy: "block" | "refuse") =>
  address<Link>({ name, mailbox: { capacity: 1, overflow: { policy } } })
const sendsTo = (...peers: ReadonlyArray<ActorRef<Link>>) => ({ restart: "permanent", peers }) as const

const startAll = (...children: ReadonlyArray<AnyChild>) => Supervisor.start({ ...root, children } as typeof root)
const root = {
  name: "root",
  strategy: "one_for_one",
  intensity: { max: 1, within: "1 second" },
  backoff: { initial: 1, maximum: 1, factor: 1, jitter: 0, resetAfter: 1 },
  onExhausted: "escalate",
  children: []
} as const

describe("a tree is not started", () => {
  it("with a circle in which everyone may wait for room at the next, and the circle is named", () =>
    withTestClock(
      Effect.gen(function* () {
        const [a, b, c] = [yield* place("a", "block"), yield* place("b", "block"), yield* place("c", "block")]
        const below = { ...root, name: "below", children: [child(c, idle, sendsTo(b.ref))] }
        const failure = yield* Effect.flip(
          startAll(child(a, idle, sendsTo(b.ref)), child(b, idle, sendsTo(c.ref)), below)
        )
        expect(failure).toMatchObject({ _tag: "StartRefused", reason: "circle", path: ["b", "c", "b"] })
        expect(a.cell.state).toBe("idle")
      })
    ))

  it("with a peer that is never started", () =>
    withTestClock(
      Effect.gen(function* () {
        const [a, b] = [yield* place("a", "refuse"), yield* place("b", "refuse")]
        const failure = yield* Effect.flip(startAll(child(a, idle, sendsTo(b.ref))))
        expect(failure).toMatchObject({ _tag: "StartRefused", reason: "unconnected", path: ["a", "b"] })
      })
    ))

  it("with two actors at one address", () =>
    withTestClock(
      Effect.gen(function* () {
        const a = yield* place("a", "refuse")
        const failure = yield* Effect.flip(startAll(child(a, idle, sendsTo()), child(a, idle, sendsTo())))
        expect(failure).toMatchObject({ _tag: "StartRefused", reason: "occupied", path: ["a"] })
      })
    ))
})

describe("a tree is started", () => {
  it("with a circle that one of its mailboxes breaks by refusing", () =>
    withTestClock(
      Effect.gen(function* () {
        const [a, b] = [yield* place("a", "block"), yield* place("b", "refuse")]
        const handle = yield* startAll(child(a, idle, sendsTo(b.ref)), child(b, idle, sendsTo(a.ref)))
        expect(yield* handle.graph).toMatchObject([
          { name: "a", supervisor: "root", state: "ready", peers: ["b"] },
          { name: "b", supervisor: "root", state: "ready", peers: ["a"] }
        ])
      })
    ))

  it("with a peer that is in another tree", () =>
    withTestClock(
      Effect.gen(function* () {
        const [a, b] = [yield* place("a", "refuse"), yield* place("b", "refuse")]
        yield* startAll(child(b, idle, sendsTo()))
        const handle = yield* startAll(child(a, idle, sendsTo(b.ref)))
        expect((yield* handle.graph).length).toBe(1)
      })
    ))
})
