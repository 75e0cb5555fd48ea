/**
 * Keeps a message from going round: where a topic is bridged both ways, the broker gives back what was just sent.
 *
 * What was forwarded is remembered, as often as it was forwarded; the first equal message that comes back is
 * swallowed, wherever it is among others. QoS and retain are not compared: a broker changes both.
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
  /** When each expected echo stops being expected, oldest first. */
  private readonly expected = new ShortLivedMap<string, Array<number>>()
  private size = 0

  get depth(): number {
    return this.size
  }

  /** Something is about to be published that will come back. */
  expect(message: SeenMessage, now: number): void {
    if (this.size >= mostExpected) this.forgetExpired(now)
    if (this.size >= mostExpected) return
    const key = keyOf(message)
    this.expected.set(key, [...(this.expected.get(key) ?? []), now + expectedForMs])
    this.size += 1
  }

  /** Whether this is such an echo; it is expected once less then. */
  isEcho(message: SeenMessage, now: number): boolean {
    if (this.size === 0) return false
    const key = keyOf(message)
    const times = this.expected.get(key)
    if (times === undefined) return false
    const alive = times.filter((until) => until > now)
    this.keep(key, times, alive.slice(1))
    return alive.length > 0
  }

  /** It was not published after all. */
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

/** Beyond it echoes are let through: one round more, but no memory without end. */
const mostExpected = 10_000
