/** The configuration files that mosquitto reads: Debian's mosquitto.conf, its includes, and thin-edge's directory. */
import { readdirSync } from "node:fs"
import { basename, join, resolve } from "node:path"
import { textIfReadable } from "../../platform/files/read-file.ts"
import { type CloudConnection, mosquittoDir } from "./cloud-connection.ts"

interface ConfigurationFile {
  readonly path: string
  /** Without comments, blank lines, leading and trailing blanks. */
  readonly lines: ReadonlyArray<string>
}

/** The configuration file that a distribution starts mosquitto with. */
export const mainMosquittoConf = "/etc/mosquitto/mosquitto.conf"

/** Each file once, in reading order. An unreadable file has no lines. */
export const readMosquittoConf = (
  connection: Pick<CloudConnection, "settings">,
  main = mainMosquittoConf
): ReadonlyArray<ConfigurationFile> => {
  const files = new Map<string, ConfigurationFile>()
  const addDirectory = (directory: string): void => {
    for (const name of namesIn(directory)) if (name.endsWith(".conf")) addFile(join(directory, name))
  }
  const addFile = (path: string): void => {
    if (files.has(path)) return
    const lines = (textIfReadable(path) ?? "")
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "" && !line.startsWith("#"))
    files.set(path, { path, lines })
    for (const line of lines) {
      const { option, value } = optionIn(line)
      if (option === "include_dir") addDirectory(value)
    }
  }
  addDirectory(mosquittoDir(connection))
  addFile(main)
  return [...files.values()]
}

/**
 * Whether mosquitto reads our directory. It follows include_dir in its main file only, and ignores it in an included
 * file. Undefined: the main file is missing or unreadable.
 *
 * Source: mosquitto.conf(5), include_dir; seen of 2.0.11 and 2.0.21.
 */
export const isIncluded = (directory: string, main = mainMosquittoConf): boolean | undefined => {
  const text = textIfReadable(main) ?? ""
  if (text === "") return undefined
  return text
    .split("\n")
    .map((line) => optionIn(line.trim()))
    .some(({ option, value }) => option === "include_dir" && resolve(value) === resolve(directory))
}

/** `listener 1883 127.0.0.1`: option `listener`, value `1883 127.0.0.1`. */
export const optionIn = (line: string): { readonly option: string; readonly value: string } => {
  const [, option = line, value = ""] = /^(\S+)\s+(.+)$/.exec(line) ?? []
  return { option, value }
}

/**
 * A file other than ours that opens a listener or configures access. With `per_listener_settings false` our
 * `allow_anonymous true` would apply to that listener too.
 */
export const fileWithAccessRules = (files: ReadonlyArray<ConfigurationFile>): string | undefined =>
  files.find(
    ({ path, lines }) =>
      basename(path) !== "tedge-mosquitto.conf" && lines.some((line) => accessOptions.has(optionIn(line).option))
  )?.path

/** Source: mosquitto.conf(5), per_listener_settings, and what opens a listener. */
const accessOptions = new Set([
  ...["per_listener_settings", "listener", "port", "bind_address"],
  ...["allow_anonymous", "allow_zero_length_clientid", "auto_id_prefix", "password_file", "acl_file", "psk_file"],
  ...["plugin", "auth_plugin", "auth_plugin_deny_special_chars"]
])

/** The names in a directory, sorted; empty if missing or unreadable. */
export const namesIn = (directory: string): ReadonlyArray<string> => {
  try {
    return readdirSync(directory).sort()
  } catch {
    return []
  }
}
