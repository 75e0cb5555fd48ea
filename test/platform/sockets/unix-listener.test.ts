/** Accepting while the system refuses it: one attempt at a time, reported once, and no client is forgotten. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { UnixListener, Watcher } from "../../../src/platform/sockets/unix-stream.ts"

/** The system: waiting clients, whether it has descriptors, and how it reports a client. */
const system = vi.hoisted(() => ({
  waiting: 0,
  isExhausted: false,
  attempts: 0,
  somebodyCame: (_descriptors: ReadonlyArray<number>): void => undefined
}))
vi.mock("../../../src/platform/native/unix-addon.ts", () => ({
  openReadiness: (tell: typeof system.somebodyCame) => {
    system.somebodyCame = tell
    return { watch: () => undefined, close: () => undefined }
  },
  // Linux wants a descriptor before it looks whether anybody waits.
  acceptUnix: () => {
    system.attempts += 1
    if (system.isExhausted) throw Object.assign(new Error("accept"), { code: "EMFILE" })
    if (system.waiting === 0) return undefined
    system.waiting -= 1
    return { descriptor: 9, peer: undefined }
  }
}))

const come = (count: number) => {
  system.waiting += count
  system.somebodyCame([3])
}

beforeEach(() => {
  vi.useFakeTimers()
  Object.assign(system, { waiting: 0, isExhausted: false, attempts: 0 })
})
afterEach(() => void vi.useRealTimers())

const listening = () => {
  const told = { clients: 0, refused: [] as Array<string> }
  const listener = new UnixListener(new Watcher(), 3, {
    onClient: () => {
      told.clients += 1
    },
    onRefused: (code) => told.refused.push(code)
  })
  return { told, listener }
}

describe("a listener without descriptors", () => {
  it("retries ten times a second, however many clients wait, and reports once", () => {
    const { told } = listening()
    system.isExhausted = true
    for (let client = 0; client < 200; client++) come(1)
    vi.advanceTimersByTime(10_000)
    expect(system.attempts).toBeLessThanOrEqual(101)
    expect(told).toEqual({ clients: 0, refused: ["EMFILE"] })
  })

  it("accepts all when there are descriptors again, and reports the next time", () => {
    const { told } = listening()
    system.isExhausted = true
    for (let client = 0; client < 200; client++) come(1)
    system.isExhausted = false
    vi.advanceTimersByTime(1000)
    expect(told).toEqual({ clients: 200, refused: ["EMFILE"] })
    system.isExhausted = true
    come(1)
    expect(told.refused).toEqual(["EMFILE", "EMFILE"])
  })

  it("tries no more when it is stopped", () => {
    const { listener } = listening()
    system.isExhausted = true
    come(1)
    listener.stop()
    vi.advanceTimersByTime(1000)
    expect(system.attempts).toBe(1)
  })
})
