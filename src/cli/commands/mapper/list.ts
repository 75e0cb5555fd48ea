/**
 * `tedge mapper list`: one line per directory in `mappers`, columns separated by tabs; unknown values are empty, and a
 * mapper without any is its name alone.
 */
import { join } from "node:path"
import { Effect } from "effect"
import { terminalLine } from "../../../messages/explain/explanation.ts"
import { explain } from "../../../messages/explain.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { configCommand, configDirOf } from "../config/config-command.ts"
import { type MapperDirectory, mapperDirectories, mapperIdentity, unusableMapperFile } from "./mapper-directories.ts"

export const mapperList = configCommand(({ config, input, terminal }) =>
  Effect.gen(function* () {
    const configDir = configDirOf(input)
    const directories = yield* mapperDirectories(configDir)
    if (directories.length === 0) yield* terminal.line(`No mappers found under '${join(configDir, "mappers")}'`)
    for (const directory of directories) {
      const identity = directory.file.kind === "read" ? yield* mapperIdentity(config, directory) : undefined
      const cells = [
        textIn(directory, "url"),
        identity === undefined ? "" : `${identity.id} [${identity.origin}]`,
        textIn(directory, "cloud_type")
      ]
      const { file, path, name } = directory
      if (file.kind !== "read" && file.kind !== "absent")
        yield* terminal.warning(terminalLine(explain(unusableMapperFile(path, file))))
      const isKnown = cells.some((cell) => cell !== "")
      yield* terminal.answer(`${isKnown ? [name, ...cells].join("\t") : name}\n`)
    }
    return exitCodes.ok
  })
)

const textIn = ({ file }: MapperDirectory, key: string): string => {
  const value = file.kind === "read" ? file.tree[key] : undefined
  return typeof value === "string" ? value : ""
}
