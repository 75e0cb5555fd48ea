/**
 * Takes PINs and passwords off the command line that `ps` shows, as soon as they have been read.
 *
 * For the moment before that, nothing can be done: a PIN in a file or at the prompt is never seen.
 */
import { parseSettingName } from "../../messages/settings/setting-name.ts"
import { blankArguments } from "../../platform/native/unix-addon.ts"
import { optionsAt, readArguments } from "./argv.ts"
import type { Program } from "./command-spec.ts"

/** Secret values as they were typed: of secret options, of secret settings, and `pin-value` in URIs. */
export const secretArguments = (program: Program, argv: ReadonlyArray<string>): ReadonlyArray<string> => {
  const inUris = argv.flatMap((word) => [...word.matchAll(/[?&]pin-value=([^&]+)/g)].map((match) => match[1] ?? ""))
  const read = readArguments(program, argv)
  if (read._tag !== "Run") return inUris
  const secrets = optionsAt(program, read.path).filter((option) => option.secret !== undefined)
  const given = read.words.flatMap((word) => {
    const option = secrets.find(({ name }) => word.startsWith(`--${name}=`))
    return option === undefined ? [] : [word.slice(option.name.length + 3)]
  })
  return [...inUris, ...given, ...secretSetting(read.words)].filter((value) => value !== "")
}

/** `config set device.cryptoki.pin VALUE`. */
const secretSetting = (words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const [key = "", value] = words.filter((word) => !word.startsWith("--"))
  return value !== undefined && parseSettingName(key)?.setting.secret === true ? [value] : []
}

export const hideSecretArguments = (program: Program, argv: ReadonlyArray<string>): void => {
  const secrets = secretArguments(program, argv)
  if (secrets.length === 0) return
  try {
    blankArguments(secrets)
  } catch {
    // Without the add-on they stay visible, as with every other program; whatever needs the add-on says so.
  }
}
