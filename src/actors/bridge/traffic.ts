/** Traffic of one direction of the bridge, and its waiting messages: for observers. Starts no timer. */
import { Effect } from "effect"
import type { DirectionFacts, History as HistoryFacts, Timeline } from "../../messages/status/snapshot.ts"
import { microseconds } from "../../runtime/primitives/process-time.ts"
import { ShortLivedMap } from "../../runtime/primitives/short-lived.ts"
import type { Batch, InFlightMessage } from "./side.ts"

interface Sample {
  readonly one: InFlightMessage
  /** Milliseconds since 1970. */
  readonly at: number
  /** Monotonic milliseconds with fractions, as below. */
  readonly arrived: number
  sent: number | undefined
  answered: number | undefined
}

export interface LastSample {
  readonly timeline: Timeline
  /** Monotonic milliseconds. */
  readonly arrived: number
}

export class Traffic {
  readonly direction: "outbound" | "inbound"
  messages = 0
  /** QoS 0 lost with a connection, and permanently refused messages. */
  dropped = 0
  /** Messages that the target has not acknowledged. */
  waiting = 0
  /** The last sampled message. */
  lastSample: LastSample | undefined
  private bytes = 0
  private heldBack = 0
  private readonly history = new History()
  /** By arrival, oldest first. */
  private readonly arrivals = new ShortLivedMap<Batch, number>()
  private isSampling = false
  private sample: Sample | undefined

  constructor(direction: "outbound" | "inbound") {
    this.direction = direction
  }

  /** The next message is traced. */
  sampleNext(): void {
    this.isSampling = this.sample === undefined
  }

  /** `now`: monotonic milliseconds with fractions; `date`: milliseconds since 1970, read for a sample only. */
  arrived(batch: Batch, now: number, date: () => number): void {
    this.arrivals.set(batch, now)
    this.waiting += batch.messages.length
    const [one] = batch.messages
    if (!this.isSampling || one === undefined) return
    this.isSampling = false
    this.sample = { one, at: date(), arrived: now, sent: undefined, answered: undefined }
  }

  sending(messages: ReadonlyArray<InFlightMessage>, now: number): void {
    if (this.sample !== undefined && messages.includes(this.sample.one)) this.sample.sent = now
  }

  /** The target accepted those of the batch whose index is not in `failed`. */
  taken(messages: ReadonlyArray<InFlightMessage>, failed: ReadonlySet<number>, now: number): void {
    let bytes = 0
    for (const [index, { message }] of messages.entries()) if (!failed.has(index)) bytes += message.payload.length
    const count = messages.length - failed.size
    this.messages += count
    this.bytes += bytes
    this.history.add(now, count, bytes)
    if (this.sample !== undefined && messages.includes(this.sample.one)) this.sample.answered = now
  }

  /** They were acknowledged to their source. */
  acknowledged(messages: ReadonlyArray<InFlightMessage>, now: number): void {
    this.waiting -= messages.length
    if (this.sample !== undefined && messages.includes(this.sample.one)) this.endSample(this.sample, "ok", now)
  }

  /** The bridge is done with the batch; what is not acknowledged is given up, or left to its broker. */
  ended(batch: Batch, now: number): void {
    this.arrivals.delete(batch)
    for (const { isAcknowledged } of batch.messages) if (!isAcknowledged) this.waiting -= 1
    if (this.sample !== undefined && batch.messages.includes(this.sample.one)) this.endSample(this.sample, "left", now)
  }

  /** `pause`: until they are retried. */
  holdingBack(messages: number, pause: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.heldBack += messages
      const end = Effect.sync(() => {
        this.heldBack -= messages
      })
      return Effect.ensuring(pause, end)
    })
  }

  facts(now: number, refused: number): DirectionFacts {
    const [oldest] = this.arrivals.values()
    return {
      messages: this.messages,
      bytes: this.bytes,
      waiting: this.waiting,
      oldest_ms: oldest === undefined ? 0 : microseconds(Math.max(0, now - oldest)),
      held_back: this.heldBack,
      dropped: this.dropped + refused,
      history: this.history.facts(now)
    }
  }

  private endSample({ one, at, arrived, sent, answered }: Sample, outcome: string, now: number): void {
    this.sample = undefined
    const hop = (name: string, from: number | undefined, until: number | undefined) =>
      from === undefined
        ? []
        : [{ name, at_ms: microseconds(from - arrived), took_ms: microseconds((until ?? now) - from) }]
    const timeline = {
      at,
      took_ms: microseconds(now - arrived),
      about: one.message.topic,
      direction: this.direction,
      outcome,
      hops: [
        ...hop("bridge", arrived, sent),
        ...hop("publish, until PUBACK", sent, answered),
        ...hop("acknowledge", answered, now)
      ]
    }
    this.lastSample = { timeline, arrived }
  }
}

/** Counts of the last minutes in time buckets. Updated on events and read on request: no timer. */
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

  /** Oldest first; the last one is incomplete. */
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
