/**
 * Rate limit for log lines that clients can cause: some of a kind in each period, the others counted.
 *
 * Not for audited lines. A kind is a short text, such as user and reason, never a client's words.
 */

export class LogLimit {
  private readonly kinds = new Map<string, Kind>()

  /** Whether a line of this kind may be written now; otherwise it is counted. */
  admits(kind: string): boolean {
    const known = this.kinds.get(kind) ?? this.added(kind)
    if (known.written < linesOfAKind) {
      known.written += 1
      return true
    }
    known.leftOut += 1
    return false
  }

  /** Ends the period; returns the number of suppressed lines by kind. */
  endPeriod(): ReadonlyArray<{ readonly kind: string; readonly count: number }> {
    const leftOut = [...this.kinds].flatMap(([kind, { leftOut: count }]) => (count > 0 ? [{ kind, count }] : []))
    this.kinds.clear()
    return leftOut
  }

  private added(kind: string): Kind {
    // Many users, each with all kinds: the further ones share one.
    const name = this.kinds.size < mostKinds ? kind : otherKinds
    const made = this.kinds.get(name) ?? { written: 0, leftOut: 0 }
    this.kinds.set(name, made)
    return made
  }
}

interface Kind {
  written: number
  leftOut: number
}

/** In each period. */
export const linesOfAKind = 5
const mostKinds = 256
const otherKinds = "other clients"
