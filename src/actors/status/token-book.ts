/** The tokens a service signs with, their state, and signature durations: updated on events, read for a snapshot. */
import type { CryptokiEvent } from "../../messages/cryptoki.ts"
import type { KeyFacts, SignatureFacts, TokenFacts } from "../../messages/status/snapshot.ts"
import { dateOf, type EventTime, type Present } from "../../runtime/primitives/event-time.ts"

export type KeyPlace = Pick<KeyFacts, "via" | "path" | "uri">

interface SignatureOutcome {
  /** Its label; undefined: unknown. */
  readonly token: string | undefined
  readonly begun: EventTime
  readonly tookMs: number
  /** `ok`, or the tag of the refusal. */
  readonly outcome: string
}

export class TokenBook {
  private readonly all = new Signatures()
  private readonly tokens = new Map<string, Entry>()

  seen(tokens: ReadonlyArray<string>): void {
    for (const token of tokens) this.entry(token)
  }

  signed(signature: SignatureOutcome): void {
    this.all.add(signature)
    const entry = signature.token === undefined ? this.only() : this.entry(signature.token)
    entry?.signatures.add(signature)
    if (entry === undefined || signature.outcome !== "ok") return
    entry.pin = "ok"
    if (entry.state !== "there") entry.become("there", signature.begun)
  }

  note(event: CryptokiEvent, time: EventTime): void {
    const entry = "token" in event ? this.entry(event.token) : undefined
    if (entry === undefined) return
    if (event._tag === "TokenPlugged") entry.become("there", time)
    if (event._tag === "TokenGone") entry.become("gone", time, event.reason)
    if (event._tag === "TokenWaits") entry.become("waiting", time)
    if (event._tag === "PinLatched") entry.pin = event.isLocked ? "locked" : "latched"
  }

  facts(place: KeyPlace, now: Present): KeyFacts {
    return {
      ...place,
      signatures: this.all.facts(now),
      tokens: [...this.tokens].map(([token, { state, since, reason, pin, signatures }]) => ({
        token,
        state,
        ...(since !== undefined && { since: dateOf(since, now) }),
        ...(reason !== undefined && { reason }),
        pin,
        signatures: signatures.facts(now)
      }))
    }
  }

  /** The token of a request that names none. */
  private only(): Entry | undefined {
    const [first] = this.tokens.values()
    return this.tokens.size === 1 ? first : undefined
  }

  private entry(token: string): Entry | undefined {
    const known = this.tokens.get(token)
    if (known !== undefined || this.tokens.size >= mostTokens) return known
    const made = new Entry()
    this.tokens.set(token, made)
    return made
  }
}

class Entry {
  state: TokenFacts["state"] = "there"
  since: EventTime | undefined
  reason: string | undefined
  pin: TokenFacts["pin"] = "unknown"
  readonly signatures = new Signatures()

  become(state: TokenFacts["state"], time: EventTime, reason?: string): void {
    if (this.state !== state) this.since = time
    this.state = state
    this.reason = reason
  }
}

class Signatures {
  private count = 0
  private failed = 0
  private tookMs = 0
  private longestMs = 0
  private last: SignatureOutcome | undefined

  add(signature: SignatureOutcome): void {
    this.last = signature
    if (signature.outcome !== "ok") {
      this.failed += 1
      return
    }
    this.count += 1
    this.tookMs += signature.tookMs
    this.longestMs = Math.max(this.longestMs, signature.tookMs)
  }

  facts(now: Present): SignatureFacts {
    const { last } = this
    return {
      count: this.count,
      failed: this.failed,
      ...(last !== undefined && { last: { at: dateOf(last.begun, now), took_ms: last.tookMs, outcome: last.outcome } }),
      took_ms: this.tookMs,
      longest_ms: this.longestMs
    }
  }
}

/** Clients of the signing service can name many. */
const mostTokens = 64
