/** The status snapshot of the signing service: its tokens, signatures and clients. */
import { Clock, Effect } from "effect"
import { tokenEvent } from "../../../actors/status/status-events.ts"
import type { StatusFeed } from "../../../actors/status/status-feed.ts"
import { type KeyPlace, TokenBook } from "../../../actors/status/token-book.ts"
import type { CryptokiEvent } from "../../../messages/cryptoki.ts"
import {
  type P11ServerEvent,
  type P11ServerProtocol,
  type RequestTimes,
  requestMs
} from "../../../messages/p11-server.ts"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import type { Hop, Timeline } from "../../../messages/status/snapshot.ts"
import type { StatusParts } from "../../../messages/status/status.ts"
import { earlier, eventTime, present } from "../../../runtime/primitives/event-time.ts"
import { microseconds } from "../../../runtime/primitives/process-time.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"
import type { ServerSettings } from "./read-settings.ts"

export interface ServerStatus {
  readonly seen: (tokens: ReadonlyArray<string>) => void
  readonly onToken: (event: CryptokiEvent) => Effect.Effect<void>
  /** `token`: its label; empty: the client named none. */
  readonly onRequest: (event: P11ServerEvent, token: string) => Effect.Effect<void>
  readonly parts: (server: ActorRef<P11ServerProtocol>, settings: () => ServerSettings) => Effect.Effect<StatusParts>
}

export const serverStatus = (feed: StatusFeed): ServerStatus => {
  const book = new TokenBook()
  let signature: (() => Timeline) | undefined
  return {
    seen: (tokens) => book.seen(tokens),
    onToken: (event) =>
      Effect.map(Clock.Clock, (clock) => {
        const now = eventTime(clock)
        book.note(event, now)
        const streamed = tokenEvent(event, now.wallMs)
        if (streamed !== undefined) feed.publish(streamed)
      }),
    onRequest: (event, token) => {
      if (event._tag !== "RequestServed" && event._tag !== "RequestRefused") return Effect.void
      const { times, isSignature } = event
      if (!isSignature) return Effect.void
      const outcome = event._tag === "RequestServed" ? "ok" : "refused"
      return Effect.map(Clock.Clock, (clock) => {
        const now = eventTime(clock)
        const tookMs = requestMs(times)
        book.signed({ token: token === "" ? undefined : token, begun: earlier(now, tookMs), tookMs, outcome })
        // Thousands per second: built only for subscribers.
        const made = () => signatureTimeline(times, { token, outcome, endedAt: now.wallMs })
        signature = made
        feed.publishIfWatched(() => ({ event: "signature", signature: made() }))
      })
    },
    parts: (server, settings) =>
      server.ask("Status", undefined, { within: "800 millis" }).pipe(
        Effect.map((clients): StatusParts => ({ clients })),
        Effect.catch(() => Effect.succeed<StatusParts>({ silent: true })),
        Effect.flatMap((parts) =>
          Effect.map(Clock.Clock, (clock) => ({
            ...parts,
            key: book.facts(placeOf(settings()), present(clock)),
            ...(signature !== undefined && { signature: signature() })
          }))
        )
      )
  }
}

const placeOf = ({ modulePath, policy: { scope } }: ServerSettings): KeyPlace => ({
  via: "module",
  path: modulePath,
  ...(scope !== undefined && { uri: shownUri(scope) })
})

/** One signature request, hop by hop. `token host` minus `sign` is its queue and the pipe in both directions. */
const signatureTimeline = (
  times: RequestTimes,
  {
    token,
    outcome,
    endedAt
  }: {
    /** Its label; empty: the client named none. */
    readonly token: string
    readonly outcome: "ok" | "refused"
    /** End time, in milliseconds since 1970. */
    readonly endedAt: number
  }
): Timeline => {
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
