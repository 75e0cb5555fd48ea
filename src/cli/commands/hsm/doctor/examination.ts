/** Records the checks of `tedge hsm doctor`, and prints each when it is done. */
import { Effect } from "effect"
import { type Explanation, explain, type Failure } from "../../../../messages/explain.ts"
import { type Progress, whileWaiting } from "../../../terminal/progress.ts"

export interface Check {
  readonly name: string
  readonly ok: boolean
  /** What was found, or the failure's sentence. */
  readonly detail: string
  /** The next step; undefined: none. */
  readonly hint?: string | undefined
}

/** Records a check; returns what later checks need, undefined if this one failed. */
export interface Examination {
  readonly pass: (name: string, detail: string) => Effect.Effect<void>
  readonly fail: (name: string, explanation: Explanation) => Effect.Effect<void>
  /** Passes with `detail` of the result, or fails with the failure's sentence. */
  readonly check: <A>(
    name: string,
    effect: Effect.Effect<A, Failure>,
    detail: (answer: A) => string,
    /** Shown when it takes long; default: the name. */
    waitsFor?: string
  ) => Effect.Effect<A | undefined>
}

/** Records checks and prints each when it is done; shows progress on `terminal`. `formatted`: final edit of sentences and hints. */
export const examine = (
  checks: Array<Check>,
  terminal: Pick<Progress, "waiting">,
  show: (check: Check) => Effect.Effect<void>,
  formatted = (text: string): string => text
): Examination => {
  const note = (check: Check) =>
    Effect.suspend(() => {
      checks.push(check)
      return show(check)
    })
  const pass: Examination["pass"] = (name, detail) => note({ name, ok: true, detail: formatted(detail) })
  const fail: Examination["fail"] = (name, { error, hint }) =>
    note({ name, ok: false, detail: formatted(error), hint: hint === undefined ? undefined : formatted(hint) })
  return {
    pass,
    fail,
    check: (name, effect, detail, waitsFor = name) =>
      Effect.matchEffect(whileWaiting(terminal, { title: waitsFor }, effect), {
        onFailure: (failure) => Effect.as(fail(name, explain(failure)), undefined),
        onSuccess: (answer) => Effect.as(pass(name, detail(answer)), answer)
      })
  }
}
