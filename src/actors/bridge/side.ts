/**
 * What the bridge knows of one of its two brokers, from what its link reports.
 *
 * A message that came with QoS 1 by an earlier connection comes again when the broker has kept the session: then the
 * copy in our hands is let go. When the broker has forgotten the session, that copy is all there is.
 */
import { Deferred, Effect, Latch } from "effect"
import type { LinkProtocol, LinkStatus } from "../../messages/mqtt.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import { LinkPast } from "./link-past.ts"

/** By which connection a message came. */
export interface Origin {
  readonly connection: number
  readonly session: number
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
