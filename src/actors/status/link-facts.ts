/** A link of the bridge in a snapshot. */
import type { LinkReport } from "../../messages/bridge.ts"
import { explain } from "../../messages/explain.ts"
import type { MqttRefusal, Target } from "../../messages/mqtt.ts"
import type { LinkFacts } from "../../messages/status/snapshot.ts"

export const linkFacts = ({ host, port }: Pick<Target, "host" | "port">, report: LinkReport): LinkFacts => {
  const { status, since, failure, retryAt, connections, lastLost } = report
  return {
    host,
    port,
    state: states[status._tag],
    since,
    ...(failure !== undefined && trouble(failure)),
    ...(retryAt !== undefined && { retry_at: retryAt }),
    ...("attempt" in status && { attempt: status.attempt }),
    connections,
    ...(lastLost !== undefined && { last_lost: { at: lastLost.at, ...trouble(lastLost.failure) } }),
    ...(status._tag === "Up" && status.faults.length > 0 && { faults: status.faults })
  }
}

const trouble = (failure: MqttRefusal) => ({ error_tag: failure._tag, ...explain(failure) })

const states = { Connecting: "connecting", Up: "up", Down: "down", Stopped: "stopped" } as const
