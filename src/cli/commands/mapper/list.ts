/** `tedge mapper list`: a line for each directory in `mappers`, its columns between tabs; what is not known stays empty. */
import { Effect, Redacted } from "effect"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { askLimit, type ConfigCommandContext, configCommand } from "../config/config-command.ts"
import { configDirOf } from "./config-dir.ts"
import { type MapperDirectory, mapperDirectories } from "./mapper-directories.ts"

export const mapperList = configCommand((context) =>
  Effect.gen(function* () {
    const { terminal } = context
    const directories = mapperDirectories(configDirOf(context.input))
    if (directories.length === 0) yield* terminal.line("No mapper is configured")
    for (const directory of directories) {
      const cells = [
        directory.name,
        textIn(directory, "url"),
        yield* identity(context, directory),
        textIn(directory, "cloud_type")
      ]
      yield* terminal.answer(`${cells.join("\t")}\n`)
    }
    return exitCodes.ok
  })
)

/** With the place it comes from: `my-device (certificate)`. */
const identity = ({ config }: ConfigCommandContext, { section, file }: MapperDirectory): Effect.Effect<string> => {
  if (section === undefined) {
    const device = file.kind === "read" ? file.tree.device : undefined
    const id = typeof device === "object" && device !== null && "id" in device ? device.id : undefined
    return Effect.succeed(typeof id === "string" ? `${id} (mapper.toml)` : "")
  }
  const { cloud, profile } = section
  return config.ask("Get", { key: `${cloud}.device.id`, profile }, askLimit).pipe(
    Effect.map(({ value, source }) => {
      if (value === undefined) return ""
      const origin =
        source?.kind === "certificate" ? "certificate" : source?.kind === "fallback" ? "tedge.toml" : "mapper.toml"
      return `${Redacted.value(value)} (${origin})`
    }),
    Effect.catch(() => Effect.succeed("")) // a column of a list: the command that needs it tells why
  )
}

const textIn = ({ file }: MapperDirectory, key: string): string => {
  const value = file.kind === "read" ? file.tree[key] : undefined
  return typeof value === "string" ? value : ""
}
