/** The window on a simulated network path: a bottleneck of so many bytes a second, and the time there and back. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { ByteWindow, byteWindowSettings } from "../../../../src/actors/mqtt/client/send-limits.ts"

interface Path {
  readonly bytesPerMs: number
  readonly roundTripMs: number
}

/** Sends messages of this size as the window lets them; answers how it went. */
const drive = ({ bytesPerMs, roundTripMs }: Path, messages: number, size: number) => {
  let now = 0
  let freeAt = 0
  const window = new ByteWindow(byteWindowSettings)
  const arrivals: Array<{ readonly at: number; readonly sentAt: number }> = []
  const ages: Array<number> = []
  const order: Array<number> = []
  const sendWaiting = () => {
    while (order.length < messages && window.hasRoomFor(size)) {
      window.sent(size)
      order.push(order.length)
      freeAt = Math.max(freeAt, now) + size / bytesPerMs
      arrivals.push({ at: freeAt + roundTripMs, sentAt: now })
    }
  }
  sendWaiting()
  for (let next = arrivals.shift(); next !== undefined; next = arrivals.shift()) {
    now = next.at
    ages.push(now - next.sentAt)
    window.acknowledged(size, next.sentAt, now, order.length < messages)
    sendWaiting()
  }
  const idealMs = (messages * size) / bytesPerMs + roundTripMs
  return { ages, order, efficiency: idealMs / now, window }
}

describe("the window of bytes in flight", () => {
  it("keeps acknowledgements within seconds on a modem of 100 kbit/s, and uses all of it", () => {
    const { ages, efficiency } = drive({ bytesPerMs: 12.5, roundTripMs: 400 }, 600, 1_000)
    expect(Math.max(...ages)).toBeLessThan(10_000)
    expect(efficiency).toBeGreaterThan(0.9)
  })

  it("opens to what a fast path with a long round trip needs", () => {
    const { efficiency, window } = drive({ bytesPerMs: 1_250, roundTripMs: 600 }, 10_000, 4_000)
    expect(window.bytes).toBeGreaterThan(500_000)
    expect(efficiency).toBeGreaterThan(0.8)
  })

  it("does not take a broker that always answers late for a slow path", () => {
    const { window } = drive({ bytesPerMs: 10_000, roundTripMs: 9_000 }, 5_000, 1_000)
    expect(window.bytes).toBeGreaterThanOrEqual(byteWindowSettings.initialBytes)
  })

  it("lets a message through that is larger than itself, alone and in its turn", () => {
    const { order } = drive({ bytesPerMs: 100, roundTripMs: 10 }, 5, 1_000_000)
    expect(order).toEqual([0, 1, 2, 3, 4])
  })

  it("is empty when all is acknowledged, keeps the order, and never holds the last message for ever", () =>
    fc.assert(
      fc.property(
        fc.record({
          bytesPerMs: fc.double({ min: 1, max: 5_000, noNaN: true }),
          roundTripMs: fc.integer({ min: 0, max: 5_000 })
        }),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 50_000 }),
        (path, messages, size) => {
          const { order, window } = drive(path, messages, size)
          expect(order).toEqual(Array.from({ length: messages }, (_, n) => n))
          expect(window.inFlight).toBe(0)
        }
      )
    ))
})
