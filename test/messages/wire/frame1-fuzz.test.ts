/**
 * Mutated frames: nothing may throw, and what is read must be what it is written as.
 *
 * Inputs that once broke the decoder, or were made to, lie in test/corpus/wire and are replayed.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Result } from "effect"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { fuzz } from "../../../soak/lib/wire-fuzz.mjs"
import { decodeFrame, encodeFrame } from "../../../src/messages/wire/frame1.ts"
import { surelyGrownBy } from "../../support/memory-growth.ts"
import { frameArbitrary } from "./frame-arbitrary.ts"
import { plain } from "./plain-frame.ts"

/** FUZZ_RUNS asks for more, for a soak. */
const numRuns = Number(process.env.FUZZ_RUNS ?? 3000)
const corpus = join(import.meta.dirname, "../../corpus/wire")

/** Reads; what could be read must survive being written and read again. */
const judge = (bytes: Uint8Array): "frame" | "refused" => {
  const result = decodeFrame(bytes)
  if (Result.isFailure(result)) return "refused"
  expect(plain(Result.getOrThrow(decodeFrame(encodeFrame(result.success))))).toEqual(plain(result.success))
  return "frame"
}

const mutation = fc.record({
  at: fc.nat(),
  byte: fc.integer({ min: 0, max: 255 }),
  kind: fc.constantFrom("set", "insert", "delete", "repeat")
})
type Mutation = typeof mutation extends fc.Arbitrary<infer Value> ? Value : never

const mutate = (bytes: ReadonlyArray<number>, { at, byte, kind }: Mutation): ReadonlyArray<number> => {
  const place = bytes.length === 0 ? 0 : at % bytes.length
  const [before, here, after] = [bytes.slice(0, place), bytes.slice(place, place + 1), bytes.slice(place + 1)]
  if (kind === "set") return [...before, byte, ...after]
  if (kind === "insert") return [...before, byte, ...here, ...after]
  if (kind === "delete") return [...before, ...after]
  return [...before, ...here, ...here, ...after]
}

describe("the frame decoder", () => {
  it.each(readdirSync(corpus))("survives %s", (file) => {
    expect(judge(readFileSync(join(corpus, file)))).toBe(file.startsWith("frame-") ? "frame" : "refused")
  })

  it("survives mutated frames", () =>
    fc.assert(
      fc.property(frameArbitrary, fc.array(mutation, { minLength: 1, maxLength: 6 }), (frame, mutations) => {
        judge(Uint8Array.from(mutations.reduce(mutate, [...encodeFrame(frame)])))
      }),
      { numRuns }
    ))

  it("survives random bytes", () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        judge(bytes)
        judge(Uint8Array.of(0, ...bytes))
      }),
      { numRuns }
    ))

  // `npm run soak -- wire` does it 10 million times.
  it("throws nothing, holds no more than there was, and reads back what it writes, for 20,000 inputs", () => {
    const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))
    const { frames, refused } = fuzz({ decodeFrame, encodeFrame }, { seed, from: 1, count: 20_000 })
    expect(frames + refused).toBe(20_000)
    expect(Math.min(frames, refused)).toBeGreaterThan(1000)
  })

  it("does not allocate what a length claims", async () => {
    const claims = Uint8Array.of(0, 13, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 97)
    const grown = await surelyGrownBy(() => {
      const before = process.memoryUsage().rss
      for (let turn = 0; turn < 1000; turn++) decodeFrame(claims)
      return process.memoryUsage().rss - before
    })
    expect(grown).toBeLessThan(64 * 1024 * 1024)
  })
})
