/** The TLS session that a connection resumes, and those it brings for the next one. */
import { Clock, Effect } from "effect"
import type { Target } from "../../../messages/mqtt.ts"
import type { TlsSession } from "../../../platform/tls/tls-target.ts"
import { bootMs } from "../../../runtime/primitives/runtime-clock.ts"
import type { Ticket, TlsTickets } from "./tls-tickets.ts"

/** How the server was shown that the key is ours: by a session of a connection before, or by a signature now. */
export type Handshake = "resumed" | "signed"

export interface Resumption {
  /** Whether the connection can probably be made without the key. */
  readonly isLikely: boolean
  /** Takes the ticket, which is not used again; asked once there is a connection to use it on. */
  readonly take: () => { readonly session: TlsSession; readonly sessionAgeMs: number } | undefined
  /** Of the current connection. */
  readonly keep: (session: TlsSession, handshake: Handshake) => void
}

/** Undefined: the target does not resume, or there is nothing to bind a session to. */
export const resumptionOf = (
  { host, port, tls }: Target,
  tickets: TlsTickets,
  bindingOf: () => Buffer
): Effect.Effect<Resumption | undefined> =>
  Effect.map(Clock.Clock, (clock) => {
    if (tls?.resumesSessions !== true) return undefined
    const binding = attempt(bindingOf)
    if (binding === undefined) return undefined
    const place = `${host}:${port}`
    const now = () => bootMs(clock)
    let used: Ticket | undefined
    let signedAt: number | undefined
    return {
      isLikely: tickets.has(place, binding, now()),
      take: () => {
        used = tickets.take(place, binding, now())
        return used && { session: used.session, sessionAgeMs: now() - used.issuedAt }
      },
      keep: (session, handshake) => {
        signedAt ??= now()
        const provenAt = handshake === "resumed" && used !== undefined ? used.provenAt : signedAt
        tickets.keep(place, { session, issuedAt: now(), provenAt })
      }
    }
  })

/** Invalid settings are reported when they are used. */
const attempt = (bindingOf: () => Buffer): Buffer | undefined => {
  try {
    return bindingOf()
  } catch {
    return undefined
  }
}
