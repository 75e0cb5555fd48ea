/**
 * Mailbox, ask and stop under orders of events that a seed decides: who goes on next, where one pauses, what comes first.
 *
 * A failure prints its seed; with it in INTERLEAVING_SEED only that order is run.
 */
import { Effect, Exit, Fiber, Scope } from "effect"
import { describe, expect, it } from "vitest"
import { address, type Behaviour, child, start } from "../../src/runtime/actor.ts"
import { RuntimeEvents } from "../../src/runtime/events.ts"
import { Mailbox, type Overflow } from "../../src/runtime/mailbox.ts"
import type { Ask, Tell } from "../../src/runtime/protocol.ts"
import { Supervisor } from "../../src/runtime/supervisor.ts"
import { type Chance, chanceFrom, interleaved, seeds } from "../../src/testing/seeded-scheduler.ts"
import { agree, type Books, type Kind, supervised, type Work, worker } from "./chaos.ts"

const runs = 100

const below = (chance: Chance, limit: number): number => Math.floor(chance() * limit)

const pick = <A>(chance: Chance, values: readonly [A, ...ReadonlyArray<A>]): A =>
  values[below(chance, values.length)] ?? values[0]

/** With somebody who wants to hear of slow handlers: that takes a timer, and none may stay behind. */
const watched = Effect.provideService(RuntimeEvents, { publish: () => undefined, slowAfterMs: 60_000 })

type Sent = readonly [sender: number, serial: number]

/** In the order of sending, each at most once, and all of those that had to come. */
const expectInOrder = (seen: ReadonlyArray<Sent>, accepted: ReadonlyArray<Sent>) => {
  for (const sender of new Set(seen.map(([each]) => each))) {
    const serials = seen.flatMap(([each, serial]) => (each === sender ? [serial] : []))
    expect(serials).toEqual([...new Set(serials)].toSorted((a, b) => a - b))
  }
  expect(seen).toEqual(expect.arrayContaining([...accepted]))
}

describe("a mailbox, in whatever order senders and the receiver come", () => {
  /** Some senders are interrupted; the receiver leaves now and then in the middle of its waiting. */
  const traffic = (chance: Chance) =>
    Effect.gen(function* () {
      const mailbox = new Mailbox<Sent>({ name: "m", capacity: 1 + below(chance, 3), overflow: { policy: "block" } })
      const [accepted, received]: [Array<Sent>, Array<Sent>] = [[], []]
      const sending = (sender: number) =>
        Effect.forEach([0, 1, 2, 3], (serial) =>
          Effect.onExit(mailbox.send([sender, serial]), (exit) =>
            Effect.sync(() => {
              if (Exit.isSuccess(exit)) accepted.push([sender, serial])
            })
          )
        )
      const receiving = Effect.gen(function* () {
        for (;;) {
          for (let item = mailbox.poll(); item !== undefined; item = mailbox.poll()) received.push(item)
          if (mailbox.isClosed) return
          yield* mailbox.untilReadable()
        }
      })
      const senders = yield* Effect.forEach([0, 1, 2], (sender) => Effect.forkChild(sending(sender)))
      for (let round = below(chance, 3); round > 0; round--) {
        const receiver = yield* Effect.forkChild(receiving)
        for (let pause = below(chance, 20); pause > 0; pause--) yield* Effect.yieldNow
        yield* Fiber.interrupt(receiver)
      }
      const last = yield* Effect.forkChild(receiving)
      const unlucky = senders[below(chance, 6)]
      if (unlucky !== undefined) yield* Fiber.interrupt(unlucky)
      yield* Effect.forEach(senders, Fiber.await)
      mailbox.close()
      yield* Fiber.await(last)
      return { accepted, received, maxDepth: mailbox.maxDepth, capacity: mailbox.capacity }
    })

  it("loses nothing it accepted, gives nothing twice, keeps each sender's order and its own bound", () => {
    for (const seed of seeds(runs))
      interleaved(seed, traffic(chanceFrom(seed + 1)), ({ exit }) => {
        if (Exit.isFailure(exit)) throw exit.cause
        const { accepted, received, maxDepth, capacity } = exit.value
        expectInOrder(received, accepted)
        expect(maxDepth).toBeLessThanOrEqual(capacity)
      })
  })
})

describe("an ask, in whatever order things happen", () => {
  const kinds: readonly [Kind, ...ReadonlyArray<Kind>] = ["quick", "quick", "slow", "slow", "crash", "refuse"]

  /** Askers come, give up, crash the actor and meet its stop. */
  const turmoil = (chance: Chance, concurrent: number) =>
    Effect.gen(function* () {
      const books: Books = { begun: [], outcomes: new Map() }
      const overflow = pick<Overflow>(chance, [{ policy: "block" }, { policy: "refuse" }])
      const place = yield* address<Work>({ name: "worker", mailbox: { capacity: 1 + below(chance, 3), overflow } })
      const handle = yield* supervised(place, worker(books, concurrent))
      const asking = (id: number) =>
        Effect.gen(function* () {
          const outcomes: Array<Exit.Exit<number, never>> = []
          books.outcomes.set(id, outcomes as never)
          yield* Effect.sleep(below(chance, 60))
          const payload = { id, kind: pick(chance, kinds), ms: 1 + below(chance, 30) }
          yield* Effect.onExit(place.ref.ask("Do", payload, { within: 1 + below(chance, 100) }), (exit) =>
            Effect.sync(() => void outcomes.push(exit as never))
          )
        })
      const askers = yield* Effect.forEach(Array.from({ length: 12 }), (_, id) => Effect.forkChild(asking(id)))
      for (const asker of askers.filter(() => chance() < 0.2)) {
        yield* Effect.sleep(below(chance, 20))
        yield* Effect.forkChild(Fiber.interrupt(asker))
      }
      if (chance() < 0.5) yield* Effect.andThen(Effect.sleep(below(chance, 60)), handle.crash("worker"))
      if (chance() < 0.5) yield* handle.stop(pick(chance, ["drain", "now"]))
      yield* Effect.forEach(askers, Fiber.await)
      return books
    })

  it.each([1, 3])("ends exactly once, with an answer that agrees with what was done (%i in flight)", (concurrent) => {
    for (const seed of seeds(runs))
      interleaved(seed, watched(turmoil(chanceFrom(seed + 1), concurrent)), ({ exit, stillAsleep }) => {
        if (Exit.isFailure(exit)) throw exit.cause
        const { begun, outcomes } = exit.value
        expect(begun).toEqual([...new Set(begun)])
        for (const [id, ends] of outcomes) {
          // Those that were interrupted before they asked have none.
          expect(ends.length).toBeLessThanOrEqual(1)
          for (const end of ends)
            expect(`${id}: ${end}: ${agree(exit.value, id, end, "perhaps begun")}`).toMatch(/true$/)
        }
        expect(stillAsleep).toBe(0)
      })
  })
})

describe("an actor, in whatever order it is told and stopped", () => {
  type Log = { readonly Note: Tell<Sent>; readonly Ask: Ask<Sent, void> }

  const logger = (seen: Array<Sent>, pause: number, open: { count: number }): Behaviour<Log> => ({
    init: () =>
      Effect.gen(function* () {
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            open.count += 1
          }),
          () =>
            Effect.sync(() => {
              open.count -= 1
            })
        )
        const note = (sent: Sent) =>
          Effect.andThen(
            pause === 0 ? Effect.void : Effect.sleep(pause),
            Effect.sync(() => void seen.push(sent))
          )
        return { Note: note, Ask: note }
      })
  })

  /** Senders of tells and asks against an actor that is drained at some moment. */
  const drained = (chance: Chance) =>
    Effect.gen(function* () {
      const [accepted, seen]: [Array<Sent>, Array<Sent>] = [[], []]
      const open = { count: 0 }
      const scope = yield* Scope.make()
      const ref = yield* Scope.provide(
        start({
          name: "log",
          mailbox: { capacity: 1 + below(chance, 4), overflow: { policy: "block" } },
          behaviour: logger(seen, below(chance, 3), open)
        }),
        scope
      )
      const sending = (sender: number) =>
        Effect.gen(function* () {
          for (let serial = 0; serial < 5; serial++) {
            const send =
              chance() < 0.5
                ? ref.tell("Note", [sender, serial])
                : ref.ask("Ask", [sender, serial], { within: "1 hour" })
            yield* send
            accepted.push([sender, serial])
          }
        })
      const senders = yield* Effect.forEach([0, 1, 2], (sender) => Effect.forkChild(Effect.exit(sending(sender))))
      for (let pause = below(chance, 60); pause > 0; pause--) yield* Effect.yieldNow
      yield* Scope.close(scope, Exit.void)
      yield* Effect.forEach(senders, Fiber.await)
      return { accepted, seen, open }
    })

  it("handles everything it accepted, in order, and releases what it acquired", () => {
    for (const seed of seeds(runs))
      interleaved(seed, watched(drained(chanceFrom(seed + 1))), ({ exit, stillAsleep }) => {
        if (Exit.isFailure(exit)) throw exit.cause
        const { accepted, seen, open } = exit.value
        expectInOrder(seen, accepted)
        expect(open.count).toBe(0)
        expect(stillAsleep).toBe(0)
      })
  })

  /** Crashes of anybody at any moment, under each strategy, then a stop. */
  const shaken = (chance: Chance) =>
    Effect.gen(function* () {
      const open = { count: 0 }
      let most = 0
      const names = ["a", "b", "c"]
      const places = yield* Effect.forEach(names, (name) =>
        address<Log>({ name, mailbox: { capacity: 4, overflow: { policy: "refuse" } } })
      )
      const handle = yield* Supervisor.start({
        name: "root",
        strategy: pick(chance, ["one_for_one", "rest_for_one", "one_for_all"]),
        intensity: { max: 1 + below(chance, 3), within: "1 second" },
        backoff: { initial: 5, maximum: 40, factor: 2, jitter: 0.5, resetAfter: "1 second" },
        onExhausted: pick(chance, ["park", "escalate"]),
        children: places.map((place) => child(place, logger([], 1, open), { restart: "permanent" }))
      })
      for (let crashes = below(chance, 8); crashes > 0; crashes--) {
        yield* Effect.forkChild(handle.crash(pick(chance, ["a", "b", "c"])))
        yield* Effect.sleep(below(chance, 30))
        most = Math.max(most, open.count)
      }
      yield* Effect.forEach(["drain", "now"] as const, (mode) => Effect.forkChild(handle.stop(mode)))
      yield* handle.awaitExit
      return { open, most, graph: yield* handle.graph }
    })

  it("is stopped with its family, however often they crashed, and nothing stays open", () => {
    for (const seed of seeds(runs))
      interleaved(seed, watched(shaken(chanceFrom(seed + 1))), ({ exit, stillAsleep }) => {
        if (Exit.isFailure(exit)) throw exit.cause
        const { open, most, graph } = exit.value
        expect(open.count).toBe(0)
        expect(most).toBeLessThanOrEqual(3)
        for (const node of graph) expect(["stopped", "parked"]).toContain(node.state)
        expect(stillAsleep).toBe(0)
      })
  })
})
