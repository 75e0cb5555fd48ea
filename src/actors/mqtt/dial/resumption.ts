/**
 * The TLS session that a connection resumes, and the ones it receives for the next: TLS 1.3 sessions for the mapper's
 * own reconnections, in memory, each used once.
 *
 * A resumption does not prove possession of the key: it is allowed for at most 24 hours after the last handshake that did,
 * also over several resumptions. Sessions are bound to host, trust store, certificates, key and settings;
 * when one of these changes, all are dropped. Source: RFC 8446, 4.6.1 and appendix C.4.
 */
import { Clock, Effect } from "effect"
import type { Target } from "../../../messages/mqtt.ts"
import type { TlsSession } from "../../../platform/tls/tls-target.ts"
import { bootMs } from "../../../runtime/primitives/runtime-clock.ts"

/** How possession of the key was shown: by a session of an earlier connection, or by a signature now. */
export type Handshake = "resumed" | "signed"

interface Resumption {
  /** Whether the connection can probably be made without the key. */
  readonly isLikely: boolean
  /** Takes a ticket, which is not used again; called once there is a connection to use it on. */
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
    const binding = ifUsable(bindingOf)
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
const ifUsable = (bindingOf: () => Buffer): Buffer | undefined => {
  try {
    return bindingOf()
  } catch {
    return undefined
  }
}

export interface Ticket {
  readonly session: TlsSession
  /** Boot time in milliseconds, including suspend; so are the others. */
  readonly issuedAt: number
  /** When the key last signed for this connection or one it resumes. */
  readonly provenAt: number
}

interface Kept {
  readonly binding: Buffer
  /** Oldest first. */
  tickets: ReadonlyArray<Ticket>
}

export class TlsTickets {
  private readonly places = new Map<string, Kept>()

  /** `place`: host and port. */
  keep(place: string, ticket: Ticket): void {
    const tickets = this.usable(place, ticket.session.binding, ticket.issuedAt)
    this.places.set(place, { binding: ticket.session.binding, tickets: [...tickets, ticket].slice(-mostKept) })
  }

  has(place: string, binding: Buffer, now: number): boolean {
    return this.usable(place, binding, now).length > 0
  }

  /** The newest; taken once. */
  take(place: string, binding: Buffer, now: number): Ticket | undefined {
    const tickets = this.usable(place, binding, now)
    const newest = tickets.at(-1)
    if (newest !== undefined) this.places.set(place, { binding, tickets: tickets.slice(0, -1) })
    return newest
  }

  forget(place: string): void {
    this.places.delete(place)
  }

  private usable(place: string, binding: Buffer, now: number): ReadonlyArray<Ticket> {
    const kept = this.places.get(place)
    if (kept === undefined) return []
    const tickets = kept.binding.equals(binding) ? kept.tickets.filter((one) => isUsable(one, now)) : []
    if (tickets.length === 0) this.places.delete(place)
    return tickets
  }
}

const isUsable = ({ session, issuedAt, provenAt }: Ticket, now: number): boolean =>
  now - issuedAt < session.lifetimeMs && now - provenAt < longestMs

const longestMs = 24 * 60 * 60 * 1000

/** Servers send one to four at a time. */
const mostKept = 4
