/** What a link says in the log, in the words of thin-edge's mapper. */
import { Effect } from "effect"
import { explain } from "../../messages/explain.ts"
import type { LinkStatus, Side } from "../../messages/mqtt.ts"

/** `target` names the speaker; the bridge's links are told apart by their side. */
export const logStatus = (target: string, side: Side, status: LinkStatus): Effect.Effect<void> =>
  Effect.annotateLogs(sayStatus(side, status), { target })

const sayStatus = (side: Side, status: LinkStatus): Effect.Effect<void> => {
  switch (status._tag) {
    case "Connecting":
      return Effect.logDebug(`[${side}] MQTT bridge connecting to ${side} broker`)
    case "Up":
      return Effect.logInfo(`[${side}] MQTT bridge connected to ${side} broker`)
    case "Down": {
      const { error, hint } = explain(status.failure)
      const said = `[${side}] MQTT bridge failed to connect to ${side} broker: ${error}`
      const retry = `next attempt in ${Math.round(status.retryInMs / 1000)} s`
      return Effect.logError(hint === undefined ? `${said} (${retry})` : `${said} (${retry}); ${hint}`)
    }
    case "Stopped":
      return Effect.logInfo(`[${side}] MQTT bridge disconnected from ${side} broker`)
  }
}
