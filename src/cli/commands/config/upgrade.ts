/** `tedge config upgrade`: reports on stderr which files were made or changed. The exit code is 0 when nothing was to do, too. */
import { Effect } from "effect"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { askLimit, configCommand, showWarnings } from "./config-command.ts"
import { notReadByOthers } from "./read-by-others.ts"

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
