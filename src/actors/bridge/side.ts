/**
 * The bridge's view of one of its two brokers, from the reports of its link.
 *
 * A QoS 1 message from an earlier connection is redelivered if the broker has kept the session: then
 * our copy is dropped. If the broker has lost the session, our copy is the only one.
 */
import { Deferred, Effect, Latch } from "effect"
import type { LinkReport } from "../../messages/bridge.ts"
import type { LinkProtocol, LinkStatus, MqttMessage, MqttRefusal } from "../../messages/mqtt.ts"
import { dateOf, type EventTime, type Present } from "../../runtime/primitives/event-time.ts"
import type { ActorRef } from "../../runtime/protocol.ts"

/** The connection a message came on. */
interface Origin {
  readonly connection: number
  readonly session: number
}

/** Messages that are received, published and acknowledged together. */
export interface Batch {
  readonly origin: Origin
  readonly messages: ReadonlyArray<InFlightMessage>
}

export interface InFlightMessage {
  /** Identifies the message at the link it came on. */
  readonly delivery: number
  /** As published on the other side. */
  readonly message: MqttMessage
  /** The broker there returns it to us. */
  readonly comesBack: boolean
  /** It is about to be published, and was not refused since. */
  isAnnounced: boolean
  /** Its source is told that it need not keep it. */
  isAcknowledged: boolean
}

export class BridgeSide {
  readonly link: ActorRef<LinkProtocol>
  status: LinkStatus = { _tag: "Connecting", attempt: 1 }
  readonly past = new LinkHistory()
  private readonly up = Latch.makeUnsafe(false)
  private nextUp = Deferred.makeUnsafe<void>()
  private connection = 0
  private session = 0

  constructor(link: ActorRef<LinkProtocol>) {
    this.link = link
  }

  get isUp(): boolean {
    return this.status._tag === "Up"
  }

  get origin(): Origin {
    return { connection: this.connection, session: this.session }
  }

  change(status: LinkStatus, time: EventTime): void {
    this.status = status
    this.past.change(status, time)
    if (status._tag !== "Up") {
      Latch.closeUnsafe(this.up)
      return
    }
    this.connection = status.connection
    if (!status.sessionPresent) this.session += 1
    Latch.openUnsafe(this.up)
    Deferred.doneUnsafe(this.nextUp, Effect.void)
    this.nextUp = Deferred.makeUnsafe<void>()
  }

  /** Its next connection. */
  readonly upAgain: Effect.Effect<void> = Effect.suspend(() => Deferred.await(this.nextUp))

  /** The number of its connection, when it has one after `last`. */
  upAfter(last: number): Effect.Effect<number> {
    return Effect.suspend(() => {
      if (this.isUp && this.connection > last) return Effect.succeed(this.connection)
      const waited = this.isUp ? this.upAgain : this.up.await
      return Effect.andThen(waited, this.upAfter(last))
    })
  }

  willBeRedelivered({ connection, session }: Origin): boolean {
    return this.isUp && connection < this.connection && session === this.session
  }
}

/** Since when a link is up or down, and why: for people. */
export class LinkHistory {
  private status: LinkStatus | undefined
  private since: EventTime | undefined
  /** Why it is down: of the last attempt. */
  private failure: MqttRefusal | undefined
  /** The attempt, and the pause after it. */
  private retry: { readonly from: EventTime; readonly inMs: number } | undefined
  private connections = 0
  private lastLost: { readonly time: EventTime; readonly failure: MqttRefusal } | undefined

  change(status: LinkStatus, time: EventTime): void {
    const wasUp = this.status?._tag === "Up"
    if (this.since === undefined || wasUp !== (status._tag === "Up")) this.since = time
    if (status._tag === "Up") {
      this.connections += 1
      this.failure = undefined
    }
    if (status._tag === "Down") {
      this.failure = status.failure
      if (wasUp) this.lastLost = { time, failure: status.failure }
    }
    this.retry = status._tag === "Down" ? { from: time, inMs: status.retryInMs } : undefined
    this.status = status
  }

  report(now: Present): LinkReport {
    const { status = { _tag: "Connecting", attempt: 1 }, since = now, failure, retry, connections, lastLost } = this
    return {
      status,
      since: dateOf(since, now),
      failure,
      retryAt: retry && dateOf(retry.from, now) + retry.inMs,
      connections,
      lastLost: lastLost && { at: dateOf(lastLost.time, now), failure: lastLost.failure }
    }
  }
}
