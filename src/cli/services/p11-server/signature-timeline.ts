/** One signature request, hop by hop. */
import type { RequestTimes } from "../../../messages/p11-server.ts"
import type { Hop, Timeline } from "../../../messages/status/snapshot.ts"
import { microseconds } from "../../../runtime/primitives/process-time.ts"

interface Told {
  /** Its label; empty: the client named none. */
  readonly token: string
  readonly outcome: "ok" | "refused"
  /** End time, in milliseconds since 1970. */
  readonly endedAt: number
}

/** `token host` minus `sign` is its queue and the pipe in both directions. */
export const signatureTimeline = (times: RequestTimes, { token, outcome, endedAt }: Told): Timeline => {
  const { acceptedAt, readAt, decodedAt, signed, answeredAt } = times
  const hop = (name: string, from: number, to: number, actor?: string): Hop => ({
    name,
    ...(actor !== undefined && { actor }),
    at_ms: microseconds(from - acceptedAt),
    took_ms: microseconds(to - from)
  })
  const ofToken = `cryptoki/${token}`
  const inside = (): ReadonlyArray<Hop> => {
    if (signed === undefined) return [hop("refused", decodedAt, answeredAt, "p11-server/cryptoki")]
    // The host process has another clock: the pipe is assumed to take equally long in both directions.
    const way = Math.max(0, signed.answeredAt - signed.askedAt - signed.signMs) / 2
    return [
      hop("queue", decodedAt, signed.takenAt, "p11-server/cryptoki"),
      hop("find key", signed.takenAt, signed.readyAt, ofToken),
      hop("token host", signed.readyAt, signed.answeredAt, ofToken),
      hop("sign", signed.askedAt + way, signed.answeredAt - way, "tedge-token-host")
    ]
  }
  const took_ms = microseconds(times.endedAt - acceptedAt)
  return {
    at: Math.round(endedAt - took_ms),
    took_ms,
    about: token,
    outcome,
    hops: [
      hop("accept", acceptedAt, readAt, "p11-server/listener"),
      hop("decode", readAt, decodedAt, "p11-server/listener"),
      ...inside(),
      hop("answer", signed?.answeredAt ?? answeredAt, times.endedAt, "p11-server/listener")
    ]
  }
}
