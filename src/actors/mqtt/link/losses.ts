/**
 * What the ends of established connections say together: that a link is lost often, or that another client uses its
 * client id.
 */
import { ClientIdContested, type MqttRefusal, type Target } from "../../../messages/mqtt.ts"

export interface Loss {
  readonly failure: MqttRefusal
  /** How long the connection had been up. */
  readonly heldMs: number
  /** Publishes were waiting for their PUBACK: then a message may be what the broker hung up on. */
  readonly hadUnacknowledged: boolean
}

export class Losses {
  private readonly target: Target
  private times: Array<number> = []
  private toldAt = Number.NEGATIVE_INFINITY
  private short = 0

  constructor(target: Target) {
    this.target = target
  }

  /** The connection was not established, so no client with the same id has ended it. */
  notEstablished(): void {
    this.short = 0
  }

  /** What is to be told of this end. */
  judge({ failure, heldMs, hadUnacknowledged }: Loss): MqttRefusal {
    const isByPeer =
      failure._tag === "BrokerDisconnected" || (failure._tag === "ConnectionLost" && failure.endedBy === undefined)
    if (heldMs >= shortMs || !isByPeer) this.short = 0
    else if (!hadUnacknowledged) this.short += 1
    if (this.short < shortInARow || failure._tag === "BrokerDisconnected") return failure
    const { host, port, clientId } = this.target
    return new ClientIdContested({ host, port, clientId, times: this.short })
  }

  /** How often the connection was lost lately, where that is often and was not told lately. `now`: monotonic milliseconds. */
  often(now: number): { readonly times: number; readonly withinMinutes: number } | undefined {
    this.times = [...this.times.filter((time) => time > now - windowMs), now].slice(-mostTimes)
    if (this.times.length < oftenInWindow || now - this.toldAt < windowMs) return undefined
    this.toldAt = now
    return { times: this.times.length, withinMinutes: windowMs / 60_000 }
  }
}

/** A client that takes the id over, and the one that lost it, both come back within seconds. */
const shortMs = 15_000
const shortInARow = 3

const windowMs = 10 * 60_000
const oftenInWindow = 3
const mostTimes = 1_000
