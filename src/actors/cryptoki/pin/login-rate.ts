/**
 * At most ten logins a minute for each token, whatever becomes of them: a fault that comes back after each login would
 * otherwise wear out the token.
 */
export class LoginRate {
  private readonly madeAt = new Map<string, ReadonlyArray<number>>()

  /** Monotonic milliseconds. How long to wait before the next login; 0: it may be made, and counts. */
  take(identity: string, now: number): number {
    const recent = (this.madeAt.get(identity) ?? []).filter((at) => now - at < windowMs)
    const [oldest] = recent
    if (recent.length >= loginsInWindow && oldest !== undefined) return oldest + windowMs - now
    this.madeAt.set(identity, [...recent, now])
    return 0
  }
}

const loginsInWindow = 10
const windowMs = 60_000
