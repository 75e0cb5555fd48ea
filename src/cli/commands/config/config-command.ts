/** Shared by the `tedge config` commands: actor, warnings, exit codes. */
import { Effect } from "effect"
import { configPlace } from "../../../actors/config/read-sources.ts"
import type { ConfigProtocol, SettingSelector, Warned } from "../../../messages/config.ts"
import { terminalLine } from "../../../messages/explain/explanation.ts"
import { explainSettingWarning } from "../../../messages/explain/settings.ts"
import type { Failure } from "../../../messages/explain.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"
import type { CommandInput } from "../../command-line/command-spec.ts"
import { codeOfFailure } from "../../command-line/exit-codes.ts"
import type { Terminal } from "../../terminal/terminal.ts"

export interface ConfigCommandContext {
  readonly config: ActorRef<ConfigProtocol>
  readonly input: CommandInput
  readonly terminal: Terminal
  readonly stdoutIsTerminal: boolean
}

/** Returns the exit code. Has printed everything, errors included. */
export type ConfigCommand = (context: ConfigCommandContext) => Effect.Effect<number>

/** Includes waiting for another writer. */
export const askLimit = { within: "60 seconds" } as const

/** Prints the failure; an unknown key is a usage error. */
export const configCommand =
  (work: (context: ConfigCommandContext) => Effect.Effect<number, Failure>): ConfigCommand =>
  (context) =>
    Effect.catch(work(context), (failure) => Effect.as(context.terminal.failure(failure), codeOfFailure(failure)))

/** KEY and `--profile`. ConfigActor reads the profile's variable: it applies to cloud settings only. */
export const selectorOf = ({ input }: ConfigCommandContext): SettingSelector => ({
  key: input.argument("KEY") ?? "",
  profile: input.given("profile") ? input.text("profile") : undefined
})

/** Each warning once. */
export const showWarnings = (terminal: Terminal, { warnings }: Warned): Effect.Effect<void> => {
  const lines = warnings.map((warning) => terminalLine(explainSettingWarning(warning)))
  return Effect.forEach([...new Set(lines)], (line) => terminal.warning(line), { discard: true })
}

/** Absolute: `--config-dir`, TEDGE_CONFIG_DIR or /etc/tedge. */
export const configDirOf = (input: CommandInput): string =>
  configPlace({ configDir: input.text("config-dir"), workingDir: process.cwd(), environment: process.env }).configDir
