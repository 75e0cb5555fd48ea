/** Counts of the last minutes in buckets of time. Written on an event and read on request: no timer. */
import type { History as HistoryFacts } from "../../messages/status/snapshot.ts"

export class History {
  private readonly messages = new Array<number>(buckets).fill(0)
  private readonly bytes = new Array<number>(buckets).fill(0)
  /** The number of the newest bucket, counted from the start of the clock. */
  private newest: number | undefined

  /** `now`: monotonic milliseconds. */
  add(now: number, messages: number, bytes: number): void {
    const place = this.advance(now)
    this.messages[place] = (this.messages[place] ?? 0) + messages
    this.bytes[place] = (this.bytes[place] ?? 0) + bytes
  }

  /** The oldest first; the last one is not over. */
  facts(now: number): HistoryFacts {
    const place = this.advance(now)
    const inOrder = (ring: ReadonlyArray<number>) => [...ring.slice(place + 1), ...ring.slice(0, place + 1)]
    return { bucket_ms: bucketMs, messages: inOrder(this.messages), bytes: inOrder(this.bytes) }
  }

  private advance(now: number): number {
    const current = Math.floor(now / bucketMs)
    const passed = Math.min(buckets, Math.max(0, current - (this.newest ?? current)))
    for (let step = 0; step < passed; step += 1) {
      const place = (current - step) % buckets
      this.messages[place] = 0
      this.bytes[place] = 0
    }
    this.newest = Math.max(current, this.newest ?? current)
    return this.newest % buckets
  }
}

const bucketMs = 5_000
/** Five minutes. */
const buckets = 60
