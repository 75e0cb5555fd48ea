/**
 * `tedge config get KEY`: value on stdout, or the reason on stderr. `tedge config set | unset | add | remove`: silent on
 * success. `tedge config upgrade`: lists on stderr the files it created or changed; exit code 0 also when nothing had
 * to be changed.
 */
import { Effect, Redacted } from "effect"
import { SettingNotSet } from "../../../messages/config.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { askLimit, configCommand, selectorOf, showWarnings } from "./config-command.ts"
import { notKeptByOthers, notReadByOthers } from "./read-by-others.ts"

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

const changing = (message: "Set" | "Add" | "Remove") =>
  configCommand((context) =>
    Effect.gen(function* () {
      const value = Redacted.make(context.input.argument("VALUE") ?? "")
      const done = yield* context.config.ask(message, { ...selectorOf(context), value }, askLimit)
      const key = context.input.argument("KEY") ?? ""
      const others =
        message !== "Remove"
          ? [...notReadByOthers(key, context.input), ...notKeptByOthers(key, context.input.installation.kind)]
          : []
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

export const configUpgrade = configCommand(({ config, input, terminal }) =>
  Effect.gen(function* () {
    const done = yield* Effect.tapError(config.ask("Upgrade", undefined, askLimit), () =>
      terminal.info("nothing was changed; fix that, then run again: tedge config upgrade")
    )
    const others = done.secrets.flatMap((key) => notReadByOthers(key, input))
    yield* showWarnings(terminal, { warnings: [...done.warnings, ...others] })
    for (const path of done.copies) yield* terminal.line(`Copied what was there to '${path}'`)
    for (const path of done.written) yield* terminal.line(`Wrote '${path}'`)
    if (done.written.length === 0)
      yield* terminal.line("Nothing to upgrade: every setting is in the file it belongs to")
    for (const path of done.secretCopies)
      yield* terminal.line(`'${path}' holds a PIN or a password: remove it when the device is connected`)
    return exitCodes.ok
  })
)
