/** The commands of `tedge config` as the command line calls them. */
import { Effect } from "effect"
import type { CommandHandler } from "./command-spec.ts"
import { startConfigActor } from "./compose-config.ts"
import { configAdd, configRemove, configSet, configUnset } from "./config/change.ts"
import type { ConfigCommand } from "./config/config-command.ts"
import { configGet } from "./config/get.ts"
import { configList } from "./config/list.ts"
import { processTerminal } from "./terminal.ts"

const handler =
  (command: ConfigCommand): CommandHandler =>
  (input) =>
    Effect.scoped(
      Effect.flatMap(startConfigActor(input), (config) =>
        command({
          config,
          input,
          terminal: processTerminal(),
          stdoutIsTerminal: process.stdout.isTTY === true
        })
      )
    )

export const configHandlers = {
  get: handler(configGet),
  set: handler(configSet),
  unset: handler(configUnset),
  add: handler(configAdd),
  remove: handler(configRemove),
  list: handler(configList)
}
