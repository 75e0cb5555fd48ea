/** Handlers of the `tedge config` commands. */
import { Effect } from "effect"
import type { CommandHandler } from "../../command-line/command-spec.ts"
import { startConfigActor } from "../../compose/compose-config.ts"
import { processTerminal } from "../../terminal/terminal.ts"
import { mapperConfigGet } from "../mapper/config-get.ts"
import { mapperList } from "../mapper/list.ts"
import type { ConfigCommand } from "./config-command.ts"
import { configList } from "./list.ts"
import { configAdd, configGet, configRemove, configSet, configUnset, configUpgrade } from "./settings-commands.ts"

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
  list: handler(configList),
  upgrade: handler(configUpgrade),
  mapperList: handler(mapperList),
  mapperConfigGet: handler(mapperConfigGet)
}
