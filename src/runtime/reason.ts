/**
 * The reason of a failure, in words that may leave the process.
 *
 * Values of an actor's protocol may contain a payload or a secret, so of a typed failure only its name is logged, of a
 * defect its message too; a value of any other kind is never printed.
 */
import { Cause, Exit } from "effect"

export const reasonOf = (cause: Cause.Cause<unknown>): string =>
  Cause.hasInterruptsOnly(cause) ? "was interrupted" : worded(Cause.squash(cause))

/** As `reasonOf`, with the stack of the error: for debugging. */
export const traceOf = (cause: Cause.Cause<unknown>): string => {
  const isPrintable = cause.reasons.every(
    (each) => each._tag === "Interrupt" || (each._tag === "Fail" ? each.error : each.defect) instanceof Error
  )
  return isPrintable ? Cause.pretty(cause) : reasonOf(cause)
}

/** The outcome of work, for a span: without its answer, and with names in place of refusals. A defect that is an error is unchanged. */
export const withoutValues = (exit: Exit.Exit<unknown, unknown>): Exit.Exit<void, string> => {
  if (Exit.isSuccess(exit)) return Exit.void
  const reasons = exit.cause.reasons.map((each) => {
    if (each._tag === "Fail") return Cause.makeFailReason(nameOf(each.error))
    return each._tag === "Interrupt" || each.defect instanceof Error ? each : Cause.makeDieReason(nameOf(each.defect))
  })
  return Exit.failCause(Cause.fromReasons(reasons))
}

const nameOf = (value: unknown): string => tagOf(value) ?? (value instanceof Error ? value.name : "failed")

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
