/**
 * Publishes whose PUBACK is missing although later ones got theirs: PUBACKs come in the order of the publishes (MQTT 3.1.1,
 * 4.6), so the broker has discarded them, as AWS IoT does above its rate. They are sent again on the next connection.
 */
import { ShortLivedSet } from "../../../runtime/primitives/short-lived.ts"

interface Sent {
  readonly at: number
  overtaken: boolean
}

export class UnacknowledgedPublishes {
  /** In order of sending. */
  private readonly open = new ShortLivedSet<Sent>()

  /** Answers what to call when its PUBACK has come. */
  sent(at: number): () => void {
    const entry = { at, overtaken: false }
    this.open.add(entry)
    return () => {
      if (!this.open.delete(entry)) return
      for (const earlier of this.open) {
        if (earlier.overtaken) continue
        if (earlier.at >= entry.at) return
        earlier.overtaken = true
      }
    }
  }

  /** How many of those sent before that moment. */
  overtaken(before: number): number {
    let count = 0
    for (const { at, overtaken } of this.open) {
      if (at >= before) break
      if (overtaken) count += 1
    }
    return count
  }
}
