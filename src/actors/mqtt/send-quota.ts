/** How many publishes of QoS 1 a broker takes before it has acknowledged the first: its Receive Maximum (MQTT 5.0, 4.9). */
import { ShortLivedSet } from "../../runtime/short-lived.ts"
export class SendQuota {
  private left: number
  private readonly waiting = new ShortLivedSet<() => void>()

  constructor(maximum: number) {
    this.left = maximum
  }

  /** Calls `send` when there is room, in the order of asking. Answers how to give up: the place in the line, or nothing. */
  enter(send: () => void): () => void {
    if (this.left > 0) {
      this.left -= 1
      send()
      return () => {}
    }
    this.waiting.add(send)
    return () => void this.waiting.delete(send)
  }

  /** One was acknowledged. */
  leave(): void {
    const [next] = this.waiting
    if (next === undefined) {
      this.left += 1
      return
    }
    this.waiting.delete(next)
    next()
  }
}
