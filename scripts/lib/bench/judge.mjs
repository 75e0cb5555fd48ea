/**
 * Judges measurements that are noisy: by the interval in which the median lies, never by one number.
 *
 * A sample is the ratio of one pair that was measured in turn (ours, then what it is compared with), so that a busy
 * moment of the machine meets both. The interval is that of the order statistics (Conover, "Practical Nonparametric
 * Statistics", 3.2): it holds for any distribution. Below six samples it is all that was seen.
 */

/** Median of the samples, and the interval that holds the true one with 95 % confidence. */
export const intervalOf = (samples) => {
  const sorted = samples.toSorted((a, b) => a - b)
  const n = sorted.length
  const skipped = outside(n)
  return { median: medianOf(sorted), low: sorted[skipped], high: sorted[n - 1 - skipped], n }
}

export const medianOf = (values) => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** How many samples at each end lie outside of the interval. */
const outside = (n) => {
  let skipped = 0
  let below = 0.5 ** n
  for (let k = 1, term = below; k < n / 2; k++) {
    // P(X < k) for X binomial with n and 1/2.
    if (below > 0.025) break
    skipped = k - 1
    term *= (n - k + 1) / k
    below += term
  }
  return skipped
}

/** `over` only when the whole interval is beyond the limit; `unclear` when the limit lies in it. */
export const verdictOf = ({ low, high }, limit) => (low > limit ? "over" : high <= limit ? "within" : "unclear")

/**
 * Takes samples until the interval is narrow, 6 % of the median to each side, or the time is over. The stop never looks at
 * the limit, so it favours no verdict.
 */
export const sampled = async (sample, { least = 9, most = 61, precision = 0.06, mostMs = 60_000 } = {}) => {
  const samples = []
  const end = performance.now() + mostMs
  do {
    samples.push(await sample(samples.length))
    if (samples.length < least) continue
    const { median, low, high } = intervalOf(samples)
    if (high - low <= 2 * precision * median) break
  } while (samples.length < most && performance.now() < end)
  return samples
}

/**
 * Compares with earlier runs of the same row on the same machine; undefined: there are too few.
 *
 * A loss of a quarter moves the whole interval, 6 % to each side, past 1.06 of what was usual; the noise of one
 * build hardly ever does (test/scripts/judge.test.ts simulates both).
 */
export const lossSince = (interval, earlierMedians) => {
  if (earlierMedians.length < leastHistory) return undefined
  const usual = medianOf(earlierMedians.slice(-longestHistory))
  return { usual, isLoss: interval.low > usual * noticeable }
}

const leastHistory = 3
const longestHistory = 10
const noticeable = 1.06
