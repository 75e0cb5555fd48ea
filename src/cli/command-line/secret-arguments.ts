/**
 * Takes PINs and passwords off the command line that `ps` shows, as soon as they have been read.
 *
 * For the moment before that, nothing can be done: a PIN in a file or at the prompt is never seen.
 */
import { parseSettingName } from "../../messages/settings/setting-name.ts"
import { blankArguments } from "../../platform/native/unix-addon.ts"
import type { CommandWords } from "./command-words.ts"

/** Secret values as they were typed: of secret options, of secret settings, and `pin-value` in URIs. */
export const secretArguments = (
  argv: ReadonlyArray<string>,
  { options, arguments: words }: CommandWords
): ReadonlyArray<string> => {
  const inUris = argv.flatMap((word) => [...word.matchAll(/[?&;:]pin-value=([^&]+)/gi)].map((match) => match[1] ?? ""))
  const given = options.flatMap(({ option, value = "" }) => (option?.secret === undefined ? [] : [value]))
  const [key = "", value = ""] = words // `config set device.cryptoki.pin VALUE`
  const ofSetting = parseSettingName(key)?.setting.secret === true ? [value] : []
  return [...inUris, ...given, ...ofSetting].filter((secret) => secret !== "")
}

export const hideSecretArguments = (argv: ReadonlyArray<string>, words: CommandWords): void => {
  const secrets = secretArguments(argv, words)
  if (secrets.length === 0) return
  try {
    blankArguments(secrets)
  } catch {
    // Without the add-on they stay visible, as with every other program; whatever needs the add-on says so.
  }
}
