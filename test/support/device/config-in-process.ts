/** `tedge config` and `tedge mapper` as they run in the executable, without starting one: same words, actor and sentences. */
import { Effect } from "effect"
import { configBehaviour, configMailbox } from "../../../src/actors/config/config-actor.ts"
import { runCommandLine } from "../../../src/cli/command-line/command-line.ts"
import type { CommandHandler } from "../../../src/cli/command-line/command-spec.ts"
import { readWords } from "../../../src/cli/command-line/command-words.ts"
import { parseCommandLine } from "../../../src/cli/command-line/effect-cli.ts"
import type { ConfigCommand } from "../../../src/cli/commands/config/config-command.ts"
import { configList } from "../../../src/cli/commands/config/list.ts"
import {
  configAdd,
  configGet,
  configRemove,
  configSet,
  configUnset,
  configUpgrade
} from "../../../src/cli/commands/config/settings-commands.ts"
import { mapperConfigGet } from "../../../src/cli/commands/mapper/config-get.ts"
import { mapperList } from "../../../src/cli/commands/mapper/list.ts"
import { tedgeProgram } from "../../../src/cli/commands/tedge-spec.ts"
import { makeTerminal } from "../../../src/cli/terminal/terminal.ts"
import { start } from "../../../src/runtime/actor.ts"
import type { Printed } from "./tedge-in-process.ts"

export const configInProcess =
  (configDir: string, environment: Readonly<Record<string, string>> = {}) =>
  async (...words: ReadonlyArray<string>): Promise<Printed> => {
    const printed = { stdout: "", stderr: "" }
    const stream = (name: keyof typeof printed) => ({
      write: (text: string) => {
        printed[name] += text
      }
    })
    const terminal = makeTerminal({ stdout: stream("stdout"), stderr: stream("stderr"), environment: {} })
    const behaviour = configBehaviour(
      { configDir, workingDir: "/", environment },
      { locked: (_, work) => work, changed: () => Effect.void }
    )
    const handler = (command: ConfigCommand) => async (): Promise<CommandHandler> => (input) =>
      Effect.scoped(
        Effect.flatMap(start({ name: "config", mailbox: configMailbox, behaviour }), (config) =>
          command({ config, input, terminal, stdoutIsTerminal: false })
        )
      )
    const handlers = {
      "config get": handler(configGet),
      "config set": handler(configSet),
      "config unset": handler(configUnset),
      "config add": handler(configAdd),
      "config remove": handler(configRemove),
      "config list": handler(configList),
      "config upgrade": handler(configUpgrade),
      "mapper list": handler(mapperList),
      "mapper config get": handler(mapperConfigGet)
    }
    const line = {
      program: tedgeProgram,
      handlers,
      environment: {},
      parse: parseCommandLine,
      output: { out: terminal.answer, err: terminal.text }
    }
    const code = await Effect.runPromise(
      runCommandLine(line, readWords(tedgeProgram, ["--config-dir", configDir, ...words]))
    )
    return { code, ...printed }
  }
