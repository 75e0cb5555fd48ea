/** Which failures of a link are worth a line of the log. */
import { Effect, Logger } from "effect"
import { describe, expect, it } from "vitest"
import { logStatus } from "../../../../src/actors/mqtt/link/link-log.ts"
import { DialFailed, type LinkStatus } from "../../../../src/messages/mqtt.ts"

const speaker = { log: { target: "MQTT bridge", name: "MQTT bridge", isSecond: false }, side: "cloud" } as const

const down = (detail: string, attempt: number): LinkStatus => ({
  _tag: "Down",
  failure: new DialFailed({ host: "h", port: 8883, code: "EIO", detail }),
  retryInMs: 5000,
  attempt
})

/** Levels of the lines that these failures, one after the other, leave in the log. */
const levels = async (failures: ReadonlyArray<LinkStatus>): Promise<ReadonlyArray<string>> => {
  const seen: Array<string> = []
  const logger = Logger.make(({ logLevel }) => void seen.push(logLevel))
  const all = Effect.forEach(failures, (status, index) => logStatus(speaker, status, failures[index - 1]), {
    discard: true
  })
  await Effect.runPromise(Effect.provide(all, Logger.layer([logger])))
  return seen
}

describe("a failure of a link", () => {
  it("that differs from the last one in a process id only is the same failure", async () => {
    expect(await levels([down("ERR [811] CT: failed", 1), down("ERR [97] CT: failed", 2)])).toEqual(["Error"])
    expect(await levels([down("one", 1), down("another", 2)])).toEqual(["Error", "Error"])
  })

  it("that goes on is named again at every twentieth attempt", async () => {
    const failures = Array.from({ length: 41 }, (_, index) => down(`pid ${index}`, index + 1))
    expect(await levels(failures)).toEqual(["Error", "Error", "Error"])
  })
})
