/** A row of the table: what is tried on every token, how it is proved, and where it cannot be. */

import type { TokenBench } from "./token-bench.ts"
import type { TokenName } from "./tokens.ts"

export interface Outcome {
  /** Undefined: it was done. Otherwise what was said instead. */
  readonly refusal: string | undefined
  /** What it answered. */
  readonly answer: string
}

export interface Behaviour {
  readonly name: string
  readonly does: (bench: TokenBench) => Promise<Outcome>
  /** Throws unless it was really done. */
  readonly proves: (bench: TokenBench, outcome: Outcome) => void | Promise<void>
  /** Tokens that cannot, why, and what is said then. */
  readonly except?: Partial<Record<TokenName, Exception>>
}

export interface Exception {
  /** For the reader of the table. */
  readonly reason: string
  /** In the refusal. */
  readonly says: RegExp
}

/** Runs `tedge` with these words: the refusal is what it wrote to stderr. */
export const tedge = async (bench: TokenBench, ...words: ReadonlyArray<string>): Promise<Outcome> => {
  const done = await bench.device.tedge(words)
  return { refusal: done.code === 0 ? undefined : done.stderr, answer: done.stdout }
}
