/**
 * The commands of the service manager, from `[init]` in system.toml.
 *
 * Source: thin-edge, system.toml reference: which keys there are, `{}`, and what is an error.
 */
import { Effect } from "effect"
import { SystemFileInvalid } from "../../../messages/platform.ts"
import { readSystemFile, systemFilePath } from "../../../platform/users/system-file.ts"

export type ServiceAction = "restart" | "stop" | "start" | "enable" | "disable" | "is_active"

export interface InitCommands {
  readonly name: string
  readonly isAvailable: ReadonlyArray<string>
  /** `{}` anywhere in an argument is replaced by the service. */
  readonly commands: Readonly<Record<ServiceAction, ReadonlyArray<string>>>
  /** The file the commands come from; undefined: they are ours. */
  readonly path: string | undefined
}

export const systemdCommands: InitCommands = {
  name: "systemd",
  isAvailable: ["/bin/systemctl", "--version"],
  commands: {
    restart: ["/bin/systemctl", "restart", "{}"],
    stop: ["/bin/systemctl", "stop", "{}"],
    start: ["/bin/systemctl", "start", "{}"],
    enable: ["/bin/systemctl", "enable", "{}"],
    disable: ["/bin/systemctl", "disable", "{}"],
    is_active: ["/bin/systemctl", "is-active", "{}"]
  },
  path: undefined
}

/** Undefined: there is no `[init]`. */
export const readInitCommands = (configDir: string): Effect.Effect<InitCommands | undefined, SystemFileInvalid> =>
  Effect.suspend(() => {
    const path = systemFilePath(configDir)
    const read = readSystemFile(configDir, "commands")
    switch (read.kind) {
      case "untrusted":
        return Effect.fail(new SystemFileInvalid({ path, problem: "untrusted", detail: read.writer }))
      case "absent":
        return Effect.succeed(undefined)
      case "unreadable":
        return Effect.fail(new SystemFileInvalid({ path, detail: `the file cannot be read: ${read.code}` }))
      case "malformed":
        return Effect.fail(
          new SystemFileInvalid({ path, detail: `line ${read.line}, column ${read.column}: ${read.reason}` })
        )
      case "read":
        return read.tree.init === undefined ? Effect.succeed(undefined) : parseInit(path, read.tree.init)
    }
  })

const parseInit = (path: string, init: unknown): Effect.Effect<InitCommands, SystemFileInvalid> => {
  const problem = firstProblem(init)
  if (problem !== undefined) return Effect.fail(new SystemFileInvalid({ path, detail: problem }))
  const table = init as { readonly name: string } & Readonly<Record<string, ReadonlyArray<string>>>
  const argv = (key: string): ReadonlyArray<string> => table[key] ?? []
  return Effect.succeed({
    name: table.name,
    isAvailable: argv("is_available"),
    commands: {
      restart: argv("restart"),
      stop: argv("stop"),
      start: table.start === undefined ? argv("restart") : argv("start"),
      enable: argv("enable"),
      disable: argv("disable"),
      is_active: argv("is_active")
    },
    path
  })
}

const withService = ["restart", "stop", "start", "enable", "disable", "is_active"]

const firstProblem = (init: unknown): string | undefined => {
  if (typeof init !== "object" || init === null || Array.isArray(init)) return "'init' is not a table"
  const table = Object.entries(init)
  const known = ["name", "is_available", ...withService]
  const unknown = table.find(([key]) => !known.includes(key))
  if (unknown !== undefined) return `unknown field '${unknown[0]}' in [init], expected one of ${known.join(", ")}`
  const missing = known.find((key) => key !== "start" && !table.some(([name]) => name === key))
  if (missing !== undefined) return `missing field '${missing}' in [init]`
  for (const [key, value] of table) {
    const problem = key === "name" ? nameProblem(value) : commandProblem(key, value)
    if (problem !== undefined) return `'${key}': ${problem}`
  }
  return undefined
}

const nameProblem = (value: unknown): string | undefined => (typeof value === "string" ? undefined : "must be a string")

const commandProblem = (key: string, value: unknown): string | undefined => {
  if (!Array.isArray(value) || value.some((word) => typeof word !== "string")) return "must be a list of strings"
  if (value.length === 0) return "Requires 1 or more arguments"
  if (withService.includes(key) && !value.some((word) => String(word).includes("{}")))
    return "A placeholder '{}' is missing"
  return undefined
}
