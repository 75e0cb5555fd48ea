/**
 * Prevents message loops: if a topic is bridged in both directions, the broker returns every forwarded message.
 *
 * Forwarded messages are remembered, with their number; the first equal message that returns is
 * dropped, wherever it is among others. QoS and retain are not compared: a broker changes both.
 */
import { createHash } from "node:crypto"
import { ShortLivedMap } from "../../runtime/primitives/short-lived.ts"

interface SeenMessage {
  /** The side it goes to, or comes from. */
  readonly side: string
  readonly topic: string
  readonly payload: Uint8Array
}

export class LoopGuard {
  /** When each expected echo expires, oldest first. */
  private readonly expected = new ShortLivedMap<string, Array<number>>()
  private size = 0

  get depth(): number {
    return this.size
  }

  /** A message is about to be published that will be returned. */
  expect(message: SeenMessage, now: number): void {
    if (this.size >= mostExpected) this.forgetExpired(now)
    if (this.size >= mostExpected) return
    const key = keyOf(message)
    this.expected.set(key, [...(this.expected.get(key) ?? []), now + expectedForMs])
    this.size += 1
  }

  /** Whether this is such an echo, which is then no longer expected. */
  isEcho(message: SeenMessage, now: number): boolean {
    if (this.size === 0) return false
    const key = keyOf(message)
    const times = this.expected.get(key)
    if (times === undefined) return false
    const alive = times.filter((until) => until > now)
    this.keep(key, times, alive.slice(1))
    return alive.length > 0
  }

  /** It was not published. */
  forget(message: SeenMessage, now: number): void {
    this.isEcho(message, now)
  }

  private forgetExpired(now: number): void {
    for (const [key, times] of this.expected) {
      this.keep(
        key,
        times,
        times.filter((until) => until > now)
      )
    }
  }

  private keep(key: string, before: ReadonlyArray<number>, after: Array<number>): void {
    this.size += after.length - before.length
    if (after.length === 0) this.expected.delete(key)
    else this.expected.set(key, after)
  }
}

const keyOf = ({ side, topic, payload }: SeenMessage): string =>
  `${side} ${createHash("sha256").update(payload).digest("base64")} ${topic}`

const expectedForMs = 100_000

/** Above it echoes are forwarded: one more round, but bounded memory. */
const mostExpected = 10_000
