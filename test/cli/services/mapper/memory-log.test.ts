/** The mapper's log lines about memory. */
import { Effect, Logger } from "effect"
import { expect, it } from "vitest"
import { logMemoryEvery, memoryText } from "../../../../src/cli/services/mapper/memory-log.ts"
import { passTime, withTestClock } from "../../../../src/testing/test-clock.ts"

const linesAfter = (intervalMs: number, time: `${number} seconds`): Promise<ReadonlyArray<string>> => {
  const lines: Array<string> = []
  const logger = Logger.make<unknown, void>(({ message }) => void lines.push(String(message)))
  return withTestClock(
    Effect.scoped(
      Effect.gen(function* () {
        yield* logMemoryEvery(intervalMs)
        yield* passTime(time)
        return [...lines]
      })
    ).pipe(Effect.provide(Logger.layer([logger])))
  )
}

it("memory use is logged at every interval", async () => {
  const line = expect.stringMatching(
    /^memory: \d+\.\d MiB in all; heap \d+\.\d MiB of \d+\.\d MiB, buffers \d+\.\d MiB$/
  )
  expect(await linesAfter(60_000, "59 seconds")).toEqual([])
  expect(await linesAfter(60_000, "185 seconds")).toEqual([line, line, line])
})

it("memory use is not logged with an interval of 0", async () => {
  expect(await linesAfter(0, "600 seconds")).toEqual([])
})

it("memory is logged in MiB, buffers separately from the heap", () => {
  const mebi = 2 ** 20
  const usage = { rss: 55.26 * mebi, heapUsed: 12 * mebi, heapTotal: 20.5 * mebi, external: 0, arrayBuffers: 0 }
  expect(memoryText(usage)).toBe("memory: 55.3 MiB in all; heap 12.0 MiB of 20.5 MiB, buffers 0.0 MiB")
})
