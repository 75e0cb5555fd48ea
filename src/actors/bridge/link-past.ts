/** Since when a link is up or down, and why: for people. Dates are milliseconds since 1970. */
import type { LinkReport } from "../../messages/bridge.ts"
import type { LinkStatus, MqttRefusal } from "../../messages/mqtt.ts"

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
