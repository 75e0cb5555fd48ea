/**
 * `tedge config get KEY` without starting actors: only the plain cases, told from the same pure functions.
 *
 * Whatever needs a sentence (no value, a wrong one, a warning) is left to the whole program. Nothing here may load
 * Effect: it alone costs a third of Node's own start.
 */

import { configPlace, readSources } from "../../../actors/config/read-sources.ts"
import { selectSetting } from "../../../actors/config/select-setting.ts"
import { knownProfiles, layersOf, resolveSetting } from "../../../messages/settings/resolve.ts"
import { printValue } from "../../../messages/settings/value.ts"

export interface FastGet {
  /** KEY and the options in front of or behind it, as `--name=value`. */
  readonly words: ReadonlyArray<string>
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly workingDir: string
}

/** What goes to stdout; the exit code is 0. Undefined: not for us. */
export const fastGet = ({ words, environment, workingDir }: FastGet): string | undefined => {
  const asked = readWords(words)
  if (asked === undefined) return undefined
  const place = configPlace({ configDir: asked.configDir, workingDir, environment })
  const selected = selectSetting(asked, environment)
  if (selected.kind !== "setting" || selected.name.spelling !== "canonical") return undefined
  const { name, cloud } = selected
  const read = readSources(place)
  if (read.kind === "refused" || read.warnings.length > 0) return undefined
  const { sources, clouds } = read
  if (cloud !== undefined && clouds[cloud].faults.length > 0) return undefined
  if (layersOf(sources).some(({ wrong }) => wrong.length > 0)) return undefined
  if (read.own.p11Server.problem !== undefined) return undefined
  if (cloud !== undefined && name.profile !== undefined && !knownProfiles(sources, cloud).includes(name.profile))
    return undefined
  const resolved = resolveSetting(name, sources)
  return resolved.kind === "value" ? `${printValue(name.setting.type, resolved.value)}\n` : undefined
}

const readWords = (
  words: ReadonlyArray<string>
):
  | { readonly key: string; readonly profile: string | undefined; readonly configDir: string | undefined }
  | undefined => {
  const keys = words.filter((word) => !word.startsWith("-"))
  const options = words.filter((word) => word.startsWith("-"))
  const [key] = keys
  const value = (name: string): string | undefined =>
    options.find((option) => option.startsWith(`--${name}=`))?.slice(name.length + 3)
  const profile = value("profile")
  const configDir = value("config-dir")
  const understood = [profile, configDir].filter((one) => one !== undefined && one !== "").length
  return keys.length !== 1 || key === undefined || understood !== options.length
    ? undefined
    : { key, profile, configDir }
}
