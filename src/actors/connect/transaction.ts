/** Steps with rollback: if one fails, or the user interrupts, completed ones are undone in reverse order. */
import { Effect, Exit } from "effect"
import type { ConnectRefusal, StepEvent } from "../../messages/connect.ts"

type Show = (event: StepEvent) => Effect.Effect<void>

/** Registers how to undo a completed step. */
export type OnFailure = (undo: Effect.Effect<unknown, ConnectRefusal>) => Effect.Effect<void>

export const transaction = <A>(
  show: Show,
  steps: (onFailure: OnFailure) => Effect.Effect<A, ConnectRefusal>
): Effect.Effect<A, ConnectRefusal> =>
  Effect.suspend(() => {
    const undos: Array<Effect.Effect<unknown, ConnectRefusal>> = []
    const undoAll = Effect.suspend(() =>
      Effect.forEach(undos.toReversed(), (undo) => Effect.catch(undo, (failure) => show({ _tag: "Warned", failure })), {
        discard: true
      })
    )
    return steps((undo) => Effect.sync(() => void undos.push(undo))).pipe(
      Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : undoAll))
    )
  })

/** A line of the transcript: the title, and the outcome. `limitMs`: the time limit of the work. */
export const step = <A>(
  show: Show,
  title: string,
  work: Effect.Effect<A, ConnectRefusal>,
  limitMs?: number
): Effect.Effect<A, ConnectRefusal> =>
  Effect.andThen(
    show(limitMs === undefined ? { _tag: "StepStarted", title } : { _tag: "StepStarted", title, limitMs }),
    work.pipe(
      Effect.tap(() => show({ _tag: "StepDone", title })),
      Effect.tapError((failure) => show({ _tag: "StepFailed", title, failure }))
    )
  )
