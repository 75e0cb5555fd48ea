/** Prints the events of ConnectActor in the format of the guide. Source: hsm-support, `tedge reconnect c8y`. */
import { Effect } from "effect"
import type { ConnectRefusal, StepEvent } from "../../../messages/connect.ts"
import { terminalLine } from "../../../messages/explain/explanation.ts"
import { explainNote } from "../../../messages/explain/note.ts"
import { explainSettingWarning } from "../../../messages/explain/settings.ts"
import { explain } from "../../../messages/explain.ts"
import type { Terminal } from "../../terminal/terminal.ts"

interface Transcript {
  readonly show: (event: StepEvent) => Effect.Effect<void>
  /** The failure of a command; not printed again if its step has printed it. */
  readonly end: (failure: ConnectRefusal) => Effect.Effect<void>
  /** The user interrupted the running step. */
  readonly interrupted: Effect.Effect<void>
}

export const makeTranscript = (terminal: Terminal): Transcript => {
  const printed = new Set<ConnectRefusal>()
  const steps = makeSteps(terminal)
  return {
    show: (event) =>
      Effect.suspend(() => {
        if (event._tag === "StepFailed") printed.add(event.failure)
        return print(terminal, steps, event)
      }),
    interrupted: Effect.suspend(() => steps.finish("failed")),
    end: (failure) => Effect.suspend(() => (printed.has(failure) ? Effect.void : terminal.failure(failure)))
  }
}

interface Steps {
  readonly begin: (title: string, limitMs: number | undefined) => Effect.Effect<void>
  readonly finish: (mark: "done" | "failed") => Effect.Effect<void>
}

/** At most one step is open. */
const makeSteps = (terminal: Terminal): Steps => {
  let open: Steps["finish"] | undefined
  return {
    begin: (title, limitMs) =>
      Effect.map(terminal.step(title, limitMs), (ending) => {
        open = ending
      }),
    finish: (mark) => {
      const ending = open?.(mark) ?? Effect.void
      open = undefined
      return ending
    }
  }
}

const print = (terminal: Terminal, steps: Steps, event: StepEvent): Effect.Effect<void> => {
  switch (event._tag) {
    case "TitleShown":
      return terminal.line(event.text)
    case "SummaryShown":
      return Effect.forEach(event.lines, ([label, value]) => terminal.entry(label, value), { discard: true })
    case "StepStarted":
      return steps.begin(event.title, event.limitMs)
    case "StepDone":
      return steps.finish("done")
    case "StepFailed":
      return Effect.andThen(steps.finish("failed"), terminal.failure(event.failure))
    case "StepDoubtful":
      return Effect.andThen(steps.finish("failed"), terminal.warning(terminalLine(explain(event.failure))))
    case "Warned":
      return terminal.warning(terminalLine(explain(event.failure)))
    case "SettingWarned":
      return terminal.warning(terminalLine(explainSettingWarning(event.warning)))
    case "Noted": {
      const { style, text } = explainNote(event.note)
      return style === "info" ? terminal.info(text) : terminal.line(text)
    }
  }
}
