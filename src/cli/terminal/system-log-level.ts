/** The log level of a service in system.toml: `[log]`, the service's name, then that of its program. */
import { join } from "node:path"
import { readTomlFile } from "../../platform/toml/toml-file.ts"
import { type LogLevelName, parseLogLevel } from "./logging.ts"

/**
 * `names`: most specific first (`tedge-mapper-c8y`, `tedge-mapper`); `-` and `_` are equal.
 * An unreadable file is ignored here: other readers report it.
 */
export const systemLogLevel = (configDir: string, names: ReadonlyArray<string>): LogLevelName | undefined => {
  const read = readTomlFile(join(configDir, "system.toml"))
  const table = read.kind === "read" ? read.tree.log : undefined
  if (typeof table !== "object" || table === null) return undefined
  const levels = new Map(Object.entries(table).map(([name, level]) => [plain(name), parseLogLevel(String(level))]))
  return names.map((name) => levels.get(plain(name))).find((level) => level !== undefined)
}

const plain = (name: string): string => name.replaceAll("_", "-")
