/**
 * What the bridge knows of one of its two brokers, from what its link reports.
 *
 * A message that came with QoS 1 by an earlier connection is redelivered when the broker has kept the session: then
 * our copy is dropped. When the broker has lost the session, our copy is the only one.
 */
import { Deferred, Effect, Latch } from "effect"
import type { LinkReport } from "../../messages/bridge.ts"
import type { LinkProtocol, LinkStatus, MqttMessage, MqttRefusal } from "../../messages/mqtt.ts"
import type { ActorRef } from "../../runtime/protocol.ts"

/** By which connection a message came. */
interface Origin {
  readonly connection: number
  readonly session: number
}

/** Messages that came together and are published and acknowledged together. */
export interface Batch {
  readonly origin: Origin
  readonly messages: ReadonlyArray<InFlightMessage>
}

export interface InFlightMessage {
  /** Names the message at the link it came by. */
  readonly delivery: number
  /** As it is published on the other side. */
  readonly message: MqttMessage
  /** The broker there gives it back to us. */
  readonly comesBack: boolean
}

export class BridgeSide {
  readonly link: ActorRef<LinkProtocol>
  status: LinkStatus = { _tag: "Connecting", attempt: 1 }
  readonly past = new LinkPast()
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

  /** `date`: milliseconds since 1970. */
  change(status: LinkStatus, date: number): void {
    this.status = status
    this.past.change(status, date)
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

/** Since when a link is up or down, and why: for people. Dates are milliseconds since 1970. */
export class LinkPast {
  private status: LinkStatus | undefined
  private since: number | undefined
  /** Why it is not up: of the last attempt. */
  private failure: MqttRefusal | undefined
  private retryAt: number | undefined
  private connections = 0
  private lastLost: LinkReport["lastLost"]

  change(status: LinkStatus, date: number): void {
    const wasUp = this.status?._tag === "Up"
    if (this.since === undefined || wasUp !== (status._tag === "Up")) this.since = date
    if (status._tag === "Up") {
      this.connections += 1
      this.failure = undefined
    }
    if (status._tag === "Down") {
      this.failure = status.failure
      if (wasUp) this.lastLost = { at: date, failure: status.failure }
    }
    this.retryAt = status._tag === "Down" ? date + status.retryInMs : undefined
    this.status = status
  }

  /** `date`: now, for a link of which nothing was heard yet. */
  report(date: number): LinkReport {
    const { status = { _tag: "Connecting", attempt: 1 }, since = date, failure, retryAt, connections, lastLost } = this
    return { status, since, failure, retryAt, connections, lastLost }
  }
}
