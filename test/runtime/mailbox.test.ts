/** The promises of a mailbox, against every order in which senders and the receiver may come. */
import { Effect, Fiber } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Mailbox, type Overflow } from "../../src/runtime/mailbox.ts"
import { settled, withTestClock } from "../../src/testing/test-clock.ts"

interface Item {
  readonly sender: number
  readonly serial: number
}

type Step =
  | { readonly do: "send" | "offer" | "withdraw"; readonly sender: number }
  | { readonly do: "poll" | "lease" | "settle" | "putBack" }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom("send", "send", "offer", "withdraw"), sender: fc.nat(3) }),
  fc.record({ do: fc.constantFrom("poll", "poll", "lease", "settle", "putBack") })
) as fc.Arbitrary<Step>

/** Plays the steps and keeps the books a mailbox has to agree with. */
const play = (overflow: Overflow<Item>, capacity: number, steps: ReadonlyArray<Step>) => {
  const evicted: Array<Item> = []
  const mailbox = new Mailbox<Item>({ name: "m", capacity, overflow, onEvicted: (item) => void evicted.push(item) })
  const accepted: Array<Item> = []
  const withdrawn: Array<Item> = []
  const received: Array<Item> = []
  const leased: Array<Item> = []
  let deepest = 0
  let serial = 0

  const place = (sender: number, waits: boolean) => {
    serial += 1
    const item = { sender, serial }
    const outcome = waits ? mailbox.place(item, () => undefined) : mailbox.place(item)
    if (outcome === "queued" || outcome === "waiting") accepted.push(item)
  }
  const withdraw = (sender: number) => {
    const item = accepted.findLast((each) => each.sender === sender)
    if (item !== undefined && mailbox.withdraw(item)) withdrawn.push(item)
  }
  const actions = {
    poll: () => void received.push(...[mailbox.poll()].flatMap((item) => item ?? [])),
    lease: () => void leased.push(...[mailbox.lease(() => true)].flatMap((item) => item ?? [])),
    settle: () => {
      const item = leased.shift()
      if (item === undefined) return
      received.push(item)
      mailbox.release()
    },
    putBack: () => mailbox.putBack(leased.splice(0))
  }
  for (const each of steps) {
    if (each.do === "send" || each.do === "offer") place(each.sender, each.do === "send")
    else if (each.do === "withdraw") withdraw(each.sender)
    else actions[each.do]()
    deepest = Math.max(deepest, mailbox.depth + leased.length)
  }
  mailbox.putBack(leased.splice(0))
  for (let item = mailbox.poll(); item !== undefined; item = mailbox.poll()) received.push(item)
  return { accepted, withdrawn, received, evicted, deepest, mailbox }
}

const steps = fc.array(step, { maxLength: 60 })
const capacity = fc.integer({ min: 1, max: 5 })
const bySender = (items: ReadonlyArray<Item>, sender: number) =>
  items.filter((item) => item.sender === sender).map((item) => item.serial)

describe("a mailbox", () => {
  it("loses nothing it accepted, and gives nothing twice", () => {
    fc.assert(
      fc.property(capacity, steps, (capacity, steps) => {
        const { accepted, withdrawn, received } = play({ policy: "block" }, capacity, steps)
        const expected = accepted.filter((item) => !withdrawn.includes(item))
        expect(new Set(received)).toEqual(new Set(expected))
        expect(received.length).toBe(expected.length)
      })
    )
  })

  it("keeps the order of each sender, also of those it held back", () => {
    fc.assert(
      fc.property(capacity, steps, (capacity, steps) => {
        const withoutPutBack = steps.filter((each) => each.do !== "lease")
        const { received } = play({ policy: "block" }, capacity, withoutPutBack)
        for (const sender of [0, 1, 2, 3]) {
          const serials = bySender(received, sender)
          expect(serials).toEqual(serials.toSorted((a, b) => a - b))
        }
      })
    )
  })

  it("never holds more than its capacity, what is leased included", () => {
    fc.assert(
      fc.property(
        fc.constantFrom<Overflow<Item>>({ policy: "block" }, { policy: "refuse" }, { policy: "drop", which: "oldest" }),
        capacity,
        steps,
        (overflow, capacity, steps) => {
          const { deepest, mailbox } = play(overflow, capacity, steps)
          expect(deepest).toBeLessThanOrEqual(capacity)
          expect(mailbox.maxDepth).toBeLessThanOrEqual(capacity)
        }
      )
    )
  })

  it("counts what it drops: the oldest gives way, or the newest is not taken", () => {
    const oldest = new Mailbox<number>({ name: "m", capacity: 2, overflow: { policy: "drop", which: "oldest" } })
    const newest = new Mailbox<number>({ name: "m", capacity: 2, overflow: { policy: "drop", which: "newest" } })
    for (const mailbox of [oldest, newest]) for (const n of [1, 2, 3]) mailbox.place(n)
    expect([oldest.poll(), oldest.poll(), oldest.dropped]).toEqual([2, 3, 1])
    expect([newest.poll(), newest.poll(), newest.dropped]).toEqual([1, 2, 1])
  })

  it("replaces a waiting message with the same key, which keeps its place, and refuses new keys when full", () => {
    const overflow: Overflow<string> = { policy: "coalesce", key: (text) => text.slice(0, 1) }
    const mailbox = new Mailbox<string>({ name: "m", capacity: 2, overflow })
    expect(["a1", "b1", "a2", "c1"].map((text) => mailbox.place(text))).toEqual(["queued", "queued", "queued", "full"])
    expect([mailbox.poll(), mailbox.poll(), mailbox.coalesced]).toEqual(["a2", "b1", 1])
  })

  it("refuses a sender it would have to hold back, when the rule is to refuse", () =>
    withTestClock(
      Effect.gen(function* () {
        const mailbox = new Mailbox<number>({ name: "m", capacity: 1, overflow: { policy: "refuse" } })
        yield* mailbox.send(1)
        expect(yield* Effect.flip(mailbox.send(2))).toMatchObject({ _tag: "Undeliverable", actor: "m", reason: "full" })
      })
    ))

  it("withdraws the message of a held sender that is interrupted", () =>
    withTestClock(
      Effect.gen(function* () {
        const mailbox = new Mailbox<number>({ name: "m", capacity: 1, overflow: { policy: "block" } })
        yield* mailbox.send(1)
        const held = yield* Effect.forkChild(mailbox.send(2))
        const next = yield* Effect.forkChild(mailbox.send(3))
        yield* settled
        yield* Fiber.interrupt(held)
        expect([mailbox.poll(), mailbox.poll(), mailbox.poll()]).toEqual([1, 3, undefined])
        yield* Fiber.join(next)
      })
    ))

  it("refuses held senders when it closes, and keeps what it had accepted", () =>
    withTestClock(
      Effect.gen(function* () {
        const mailbox = new Mailbox<number>({ name: "m", capacity: 1, overflow: { policy: "block" } })
        yield* mailbox.send(1)
        const held = yield* Effect.forkChild(Effect.flip(mailbox.send(2)))
        yield* settled
        mailbox.close()
        expect(yield* Fiber.join(held)).toMatchObject({ reason: "stopped" })
        expect([mailbox.poll(), mailbox.poll()]).toEqual([1, undefined])
      })
    ))
})
