/** `tedge config upgrade`: reports on stderr which files were made or changed. The exit code is 0 when nothing was to do, too. */
import { Effect } from "effect"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { askLimit, configCommand, showWarnings } from "./config-command.ts"

export const configUpgrade = configCommand(({ config, terminal }) =>
  Effect.gen(function* () {
    const done = yield* Effect.tapError(config.ask("Upgrade", undefined, askLimit), () =>
      terminal.info("nothing was changed; once that is mended, run again: tedge config upgrade")
    )
    yield* showWarnings(terminal, done)
    for (const path of done.copies) yield* terminal.line(`Copied what was there to '${path}'`)
    for (const path of done.written) yield* terminal.line(`Wrote '${path}'`)
    if (done.written.length === 0)
      yield* terminal.line("Nothing to upgrade: every setting is in the file it belongs to")
    return exitCodes.ok
  })
)
