/** `tedge config get KEY`: the value on stdout, or why there is none on stderr. */
import { Effect, Redacted } from "effect"
import { SettingNotSet } from "../../../messages/config.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { askLimit, configCommand, selectorOf, showWarnings } from "./config-command.ts"

export const configGet = configCommand((context) =>
  Effect.gen(function* () {
    const { config, terminal } = context
    const shown = yield* config.ask("Get", selectorOf(context), askLimit)
    yield* showWarnings(terminal, shown)
    if (shown.value === undefined)
      return yield* Effect.fail(new SettingNotSet({ key: shown.key, idProblem: shown.idProblem }))
    yield* terminal.answer(`${Redacted.value(shown.value)}\n`)
    return exitCodes.ok
  })
)
