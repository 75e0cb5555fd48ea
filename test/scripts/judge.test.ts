/** Verdicts about noisy measurements: the same build is hardly ever accused, a loss of a quarter is nearly always seen. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { intervalOf, lossSince, medianOf, sampled, verdictOf } from "../../scripts/lib/bench/judge.mjs"

/** A seeded source of numbers between 0 and 1 (mulberry32). */
const random = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** Ratios as benches give them: a spread of 15 %, one in ten far off, and a drift of 3 % from run to run. */
const machine = (seed: number) => {
  const next = random(seed)
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
  return (ratio: number) => {
    const drift = Math.exp(0.03 * normal())
    return sampled(() => ratio * drift * Math.exp(0.15 * normal()) * (next() < 0.1 ? 1 + next() : 1))
  }
}

describe("the interval of a median", () => {
  it.each([
    [5, 0],
    [6, 0],
    [8, 0],
    [9, 1],
    [12, 2],
    [20, 5],
    [31, 9],
    [41, 13]
  ])("of %i samples leaves out %i at each end, as the tables say", (n, skipped) => {
    const samples = Array.from({ length: n }, (_, index) => index)
    expect(intervalOf(samples)).toMatchObject({ low: skipped, high: n - 1 - skipped, n })
  })

  it("holds the median, whatever the samples are", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), { minLength: 1, maxLength: 60 }),
        (samples) => {
          const { median, low, high } = intervalOf(samples)
          expect(low).toBeLessThanOrEqual(median)
          expect(high).toBeGreaterThanOrEqual(median)
          expect(median).toBe(medianOf(samples))
        }
      )
    )
  })

  it("holds the true median in 95 of 100 cases", () => {
    const next = random(7)
    let held = 0
    for (let run = 0; run < 2000; run++) {
      const { low, high } = intervalOf(Array.from({ length: 15 }, () => -Math.log(1 - next())))
      if (low <= Math.LN2 && Math.LN2 <= high) held += 1
    }
    expect(held).toBeGreaterThan(1880)
  })
})

describe("a verdict", () => {
  it("needs the whole interval", () => {
    expect(verdictOf({ low: 1.1, high: 1.3 }, 1)).toBe("over")
    expect(verdictOf({ low: 0.9, high: 1.3 }, 1)).toBe("unclear")
    expect(verdictOf({ low: 0.8, high: 1 }, 1)).toBe("within")
  })

  it("accuses a build that is 10 % below its limit in less than one of 100 runs", async () => {
    const run = machine(1)
    let accused = 0
    for (let n = 0; n < 500; n++) if (verdictOf(intervalOf(await run(0.9)), 1) === "over") accused += 1
    expect(accused).toBeLessThan(5)
  })
})

describe("a comparison with earlier runs", () => {
  const history = async (run: ReturnType<typeof machine>) => {
    const medians: Array<number> = []
    for (let n = 0; n < 10; n++) medians.push(intervalOf(await run(2)).median)
    return medians
  }

  it("finds a loss of a quarter in 95 of 100 runs, and none in 99 of 100 runs of the same build", async () => {
    const run = machine(2)
    const [seen, accused] = [{ times: 0 }, { times: 0 }]
    for (let n = 0; n < 300; n++) {
      const medians = await history(run)
      if (lossSince(intervalOf(await run(2.5)), medians)?.isLoss) seen.times += 1
      if (lossSince(intervalOf(await run(2)), medians)?.isLoss) accused.times += 1
    }
    expect(seen.times).toBeGreaterThan(285)
    expect(accused.times).toBeLessThan(3)
  })

  it("says nothing without a history", () => {
    expect(lossSince(intervalOf([2, 2, 2]), [1, 1])).toBeUndefined()
  })
})

describe("samples", () => {
  it("are taken until the interval is narrow, at least so many, and not for ever", async () => {
    expect((await sampled(() => 1)).length).toBe(9)
    const next = random(3)
    const wild = await sampled(() => 1 + 10 * next())
    expect(wild.length).toBe(61)
  })

  it("are no more once the time is over, fewer than the least included", async () => {
    const next = random(4)
    expect((await sampled(() => 1 + 10 * next(), { mostMs: 0 })).length).toBe(1)
  })
})
