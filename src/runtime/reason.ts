/**
 * Why something failed, in words that may leave the process.
 *
 * What an actor's own language carries may hold a payload or a secret, so of a typed failure its name is told, of a
 * defect its message too; a value of any other kind is never printed.
 */
import { Cause } from "effect"

export const reasonOf = (cause: Cause.Cause<unknown>): string =>
  Cause.hasInterruptsOnly(cause) ? "was interrupted" : worded(Cause.squash(cause))

/** The name of a refusal, for a span. */
export const refusalName = (refusal: unknown): string => tagOf(refusal) ?? "refused"

const worded = (failure: unknown): string => {
  const name = tagOf(failure) ?? (failure instanceof Error ? failure.name : undefined)
  if (name === undefined) return typeof failure === "string" ? failure : "failed"
  const text = failure instanceof Error ? failure.message : ""
  return text === "" || text === name ? name : `${name}: ${text}`
}

const tagOf = (failure: unknown): string | undefined =>
  typeof failure === "object" && failure !== null && "_tag" in failure && typeof failure._tag === "string"
    ? failure._tag
    : undefined
