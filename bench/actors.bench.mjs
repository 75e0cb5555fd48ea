/**
 * What an actor costs: an ask with deadline and span against a bare Effect Queue and Deferred, and an idle actor's memory.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Deferred, Effect, Fiber, Queue } from "effect"
import { address, child, Supervisor, start } from "../dist/runtime.mjs"
import { medianOf, sampled } from "../scripts/lib/bench/judge.mjs"
import { load } from "./lib/bundle.mjs"

setFlagsFromString("--expose-gc")
const gc = runInNewContext("gc")

const sizes = {
  full: { asks: 50_000, actors: 1000 },
  smoke: { asks: 100, actors: 10, samples: { most: 1 } }
}

/** The least there can be: a queue, a fiber that takes from it, a deferred for each answer. */
const bare = (asks) =>
  Effect.gen(function* () {
    const queue = yield* Queue.bounded(16)
    const server = yield* Effect.forkChild(
      Effect.forever(Effect.flatMap(Queue.take(queue), ({ n, reply }) => Deferred.succeed(reply, n + 1)))
    )
    const from = performance.now()
    for (let n = 0; n < asks; n++) {
      const reply = yield* Deferred.make()
      yield* Queue.offer(queue, { n, reply })
      yield* Deferred.await(reply)
    }
    const took = performance.now() - from
    yield* Fiber.interrupt(server)
    return took
  })

const adder = { init: () => Effect.succeed({ Add: (n) => Effect.succeed(n + 1) }) }
const mailbox = { capacity: 16, overflow: { policy: "block" } }

const asking = (asks) =>
  Effect.scoped(
    Effect.gen(function* () {
      const ref = yield* start({ name: "adder", mailbox, behaviour: adder })
      const from = performance.now()
      for (let n = 0; n < asks; n++) yield* ref.ask("Add", n, { within: "1 second" })
      return performance.now() - from
    })
  )

const heap = () => {
  gc()
  gc()
  return process.memoryUsage().heapUsed
}

/** Bytes of heap for each of them, once they are started and wait for their first message. */
const idleBytes = (startAll) =>
  Effect.scoped(
    Effect.gen(function* () {
      const before = heap()
      const kept = yield* startAll
      yield* Effect.sleep("50 millis")
      return (heap() - before) / kept.length
    })
  )

const alone = (actors) =>
  Effect.forEach(Array.from({ length: actors }), (_, n) => start({ name: `alone-${n}`, mailbox, behaviour: adder }))

const supervised = (actors) =>
  Effect.gen(function* () {
    const children = []
    for (let n = 0; n < actors; n++)
      children.push(child(yield* address({ name: `idle-${n}`, mailbox }), adder, { restart: "permanent" }))
    yield* Supervisor.start({
      name: "idle",
      strategy: "one_for_one",
      intensity: { max: 3, within: "1 minute" },
      backoff: { initial: "1 second", maximum: "1 minute", factor: 2, jitter: 0, resetAfter: "1 minute" },
      onExhausted: "escalate",
      children
    })
    return children
  })

const memoryRow = async (what, startAll, { actors, samples: few }) => {
  const samples = await sampled(async () => (await Effect.runPromise(idleBytes(startAll(actors)))) / 8192, few)
  return {
    what: `${what}, of ${actors}`,
    value: `${(medianOf(samples) * 8).toFixed(1)} KiB of heap`,
    against: "8 KiB",
    samples,
    limit: 1
  }
}

/** Spans where no collector is set. */
const unexportedSpans = async ({ asks, samples: few }) => {
  for (const name of Object.keys(process.env)) if (name.startsWith("OTEL_")) delete process.env[name]
  const spanned = await load("spanned-asks")
  for (const isSpanned of [true, false]) await spanned.asking(asks, isSpanned)
  const pairs = []
  const samples = await sampled(async () => {
    const alone = await spanned.asking(asks, false)
    const inSpan = await spanned.asking(asks, true)
    pairs.push({ alone, inSpan })
    return inSpan / alone
  }, few)
  const [alone, inSpan] = ["alone", "inSpan"].map((name) => medianOf(pairs.map((pair) => pair[name])))
  return {
    what: "ask in a span, without a collector",
    value: `${((inSpan * 1000) / asks).toFixed(1)} µs`,
    against: `the ask alone, ${((alone * 1000) / asks).toFixed(1)} µs`,
    samples,
    limit: 1.1
  }
}

/** Pairs, so that a busy moment of the machine meets both. */
export const measure = async ({ effort = "full" }) => {
  const size = sizes[effort]
  const { asks } = size
  await Effect.runPromise(bare(asks))
  await Effect.runPromise(asking(asks))
  const pairs = []
  const samples = await sampled(async () => {
    const base = await Effect.runPromise(bare(asks))
    const ours = await Effect.runPromise(asking(asks))
    pairs.push({ base, ours })
    return ours / base
  }, size.samples)
  const base = medianOf(pairs.map((pair) => pair.base))
  const ours = medianOf(pairs.map((pair) => pair.ours))
  return [
    {
      what: "ask with deadline and span",
      value: `${((ours * 1000) / asks).toFixed(1)} µs`,
      against: `bare Effect Queue and Deferred, ${((base * 1000) / asks).toFixed(1)} µs`,
      samples,
      limit: 4
    },
    await unexportedSpans(size),
    await memoryRow("idle actor alone", alone, size),
    await memoryRow("idle actor under a supervisor", supervised, size)
  ]
}
