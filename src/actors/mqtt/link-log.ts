/** What a link says in the log, in the words of thin-edge's mapper. */
import { Effect } from "effect"
import { explain } from "../../messages/explain.ts"
import type { LinkStatus, Side } from "../../messages/mqtt.ts"

/**
 * `target` names the speaker; the bridge's links are told apart by their side. `before`: the failure that was told
 * last; the same one again, after a short wait, is worth a line for debugging only.
 */
export const logStatus = (
  target: string | undefined,
  side: Side,
  status: LinkStatus,
  before: LinkStatus | undefined
): Effect.Effect<void> =>
  target === undefined ? Effect.void : Effect.annotateLogs(sayStatus(side, status, before), { target })

const sayStatus = (side: Side, status: LinkStatus, before: LinkStatus | undefined): Effect.Effect<void> => {
  switch (status._tag) {
    case "Connecting":
      return Effect.logDebug(`[${side}] MQTT bridge connecting to ${side} broker`)
    case "Up":
      return Effect.logInfo(`[${side}] MQTT bridge connected to ${side} broker`)
    case "Down": {
      const { error, hint } = explain(status.failure)
      const said = `[${side}] MQTT bridge failed to connect to ${side} broker: ${error}`
      const retry = `next attempt in ${Math.round(status.retryInMs / 1000)} s`
      const line = hint === undefined ? `${said} (${retry})` : `${said} (${retry}); ${hint}`
      const isKnown = before?._tag === "Down" && explain(before.failure).error === error
      return isKnown && status.retryInMs < worthALineMs ? Effect.logDebug(line) : Effect.logError(line)
    }
    case "Stopped":
      return Effect.logInfo(`[${side}] MQTT bridge disconnected from ${side} broker`)
  }
}

/** `isKept`: the broker keeps the session, and with it what did not fit. */
export const logPassedOver = (target: string | undefined, side: Side, isKept: boolean): Effect.Effect<void> => {
  const said = `[${side}] MQTT bridge: more messages came from ${side} broker than fit`
  const line = isKept ? Effect.logInfo(`${said}; fetching the rest`) : Effect.logError(`${said}; the rest is lost`)
  return target === undefined ? Effect.void : Effect.annotateLogs(line, { target })
}

const worthALineMs = 60_000
