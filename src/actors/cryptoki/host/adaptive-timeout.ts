/**
 * How long a look at a token may take, by what that token has been seen to need.
 *
 * A fixed limit breaks tokens that are merely slow (a search on OP-TEE with many keys, a card behind a busy reader): the
 * host is killed at each try, and the token never works. So the limit is five times the slowest success, and doubles
 * after a call that ran out of it; at least what the settings say, at most two minutes.
 */

export interface AdaptiveTimeout {
  /** Milliseconds the next call may take. */
  readonly limitMs: () => number
  /** The call was answered, with success or not. */
  readonly answered: (afterMs: number) => void
  /** The call was not answered within its limit. */
  readonly ranOut: (limitMs: number) => void
}

export const adaptiveTimeout = (leastMs: number): AdaptiveTimeout => {
  let slowestMs = 0
  let neededMs = 0
  return {
    limitMs: () => Math.max(leastMs, Math.min(mostMs, Math.max(slowestMs * factor, neededMs))),
    answered: (afterMs) => {
      slowestMs = Math.max(slowestMs, afterMs)
    },
    ranOut: (limitMs) => {
      neededMs = Math.max(neededMs, limitMs * 2)
    }
  }
}

const factor = 5
const mostMs = 120_000
