/** Runtime and token events in the form of the stream; undefined: not sent. */
import type { CryptokiEvent } from "../../messages/cryptoki.ts"
import { explain } from "../../messages/explain.ts"
import type { LinkStatus, Side } from "../../messages/mqtt.ts"
import type { StatusEvent } from "../../messages/status/event.ts"
import type { RuntimeEvent } from "../../runtime/events.ts"
import { reasonOf } from "../../runtime/reason.ts"

export const actorEvent = (event: RuntimeEvent): StatusEvent => {
  const { actor, at } = event
  const about = { event: "actor", at, actor } as const
  switch (event._tag) {
    case "Started":
      return { ...about, change: "started" }
    case "Ready":
      return { ...about, change: "ready" }
    case "Stopped":
      return { ...about, change: "stopped" }
    case "Failed":
      return { ...about, change: "failed", reason: reasonOf(event.cause) }
    case "Restarting":
      return { ...about, change: "restarting", after_ms: event.afterMs }
    case "GaveUp":
      return {
        ...about,
        change: "gave_up",
        reason: reasonOf(event.cause),
        ...(event.againAfterMs !== undefined && { after_ms: event.againAfterMs })
      }
    case "DeadLetter":
      return { ...about, change: "dead_letter", message: event.message, reason: event.why }
    case "Slow":
      return { ...about, change: "slow", message: event.message, took_ms: event.tookMs }
  }
}

/** `at`: milliseconds since 1970, as in all of them. */
export const linkEvent = (side: Side, status: LinkStatus, at: number): StatusEvent => {
  const about = { event: "link", at, side } as const
  switch (status._tag) {
    case "Connecting":
      return { ...about, state: "connecting" }
    case "Up":
      return { ...about, state: "up" }
    case "Stopped":
      return { ...about, state: "stopped" }
    case "Down":
      return { ...about, state: "down", ...explain(status.failure), retry_in_ms: status.retryInMs }
  }
}

export const tokenEvent = (event: CryptokiEvent, at: number): StatusEvent | undefined => {
  if (!("token" in event)) return undefined
  const about = { event: "token", at, token: event.token } as const
  switch (event._tag) {
    case "TokenPlugged":
      return { ...about, change: "plugged" }
    case "TokenGone":
      return { ...about, change: "gone", reason: event.reason }
    case "TokenWaits":
      return { ...about, change: "waits" }
    case "HostReplaced":
      return { ...about, change: "host_replaced", reason: event.reason }
    case "PinLatched":
      return { ...about, change: "pin_latched" }
    default:
      return undefined
  }
}
