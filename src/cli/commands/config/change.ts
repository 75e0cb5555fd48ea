/** `tedge config set | unset | add | remove`: silent when it is done. */
import { Effect, Redacted } from "effect"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { askLimit, configCommand, selectorOf, showWarnings } from "./config-command.ts"
import { notKeptByOthers, notReadByOthers } from "./read-by-others.ts"

const changing = (message: "Set" | "Add" | "Remove") =>
  configCommand((context) =>
    Effect.gen(function* () {
      const value = Redacted.make(context.input.argument("VALUE") ?? "")
      const done = yield* context.config.ask(message, { ...selectorOf(context), value }, askLimit)
      const key = context.input.argument("KEY") ?? ""
      const others = message !== "Remove" ? [...notReadByOthers(key, context.input), ...notKeptByOthers(key)] : []
      const apart = done.warnings.flatMap((one) =>
        one.kind === "pin-apart" ? notReadByOthers(one.pinKey, context.input) : []
      )
      yield* showWarnings(context.terminal, { warnings: [...done.warnings, ...others, ...apart] })
      return exitCodes.ok
    })
  )

export const configSet = changing("Set")
export const configAdd = changing("Add")
export const configRemove = changing("Remove")

export const configUnset = configCommand((context) =>
  Effect.gen(function* () {
    const done = yield* context.config.ask("Unset", selectorOf(context), askLimit)
    yield* showWarnings(context.terminal, done)
    return exitCodes.ok
  })
)
