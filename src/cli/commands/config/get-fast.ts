/**
 * `tedge config get KEY` without starting actors: the simple cases only, with the same pure functions.
 *
 * Cases that print a message (no value, an invalid one, a warning) are left to the full program. Must not load
 * Effect, which costs a third of Node's own start.
 */

import { hasPin } from "../../../actors/config/pin-text.ts"
import { configPlace, readSources } from "../../../actors/config/read-sources.ts"
import { reportedWarnings } from "../../../actors/config/reported-warnings.ts"
import { selectSetting } from "../../../actors/config/select-setting.ts"
import { knownProfiles, layersOf, resolveSetting } from "../../../messages/settings/resolve.ts"
import { fullKey } from "../../../messages/settings/setting-name.ts"
import { printValue } from "../../../messages/settings/value.ts"
import type { CommandWords } from "../../command-line/command-words.ts"

interface FastGet {
  readonly key: string
  readonly profile?: string | undefined
  readonly configDir?: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly workingDir: string
}

/** Output for stdout, with exit code 0. Undefined: left to the full program. */
export const fastGet = ({ key, profile, configDir, environment, workingDir }: FastGet): string | undefined => {
  const place = configPlace({ configDir, workingDir, environment })
  const selected = selectSetting({ key, profile }, environment)
  if (selected.kind !== "setting" || selected.name.spelling !== "canonical") return undefined
  const { name, cloud } = selected
  const read = readSources(place)
  if (read.kind === "refused") return undefined
  const { sources, clouds } = read
  if (cloud !== undefined && clouds[cloud].faults.length > 0) return undefined
  if (layersOf(sources).some(({ wrong }) => wrong.length > 0)) return undefined
  if (name.setting.secret === true && read.own.secrets.problem !== undefined) return undefined
  if (read.own.p11Server.problem !== undefined) return undefined
  if (cloud !== undefined && name.profile !== undefined && !knownProfiles(sources, cloud).includes(name.profile))
    return undefined
  const resolved = resolveSetting(name, sources)
  if (resolved.kind !== "value") return undefined
  const text = printValue(name.setting.type, resolved.value)
  const asked = { key: fullKey(name), secret: name.setting.secret === true || hasPin(text) }
  return reportedWarnings(asked, read.warnings).length === 0 ? `${text}\n` : undefined
}

/** Undefined: another command, or more than a key, a profile and a directory. */
export const fastQuestion = ({
  path,
  arguments: words,
  options
}: CommandWords): Pick<FastGet, "key" | "profile" | "configDir"> | undefined => {
  const [key, ...others] = words
  const value = (wanted: string): string | undefined => options.find(({ name }) => name === wanted)?.value
  const [profile, configDir] = [value("profile"), value("config-dir")]
  const understood = [profile, configDir].filter((one) => one !== undefined && one !== "").length
  const isGet = path.map(({ name }) => name).join(" ") === "tedge config get"
  if (!isGet || key === undefined || others.length > 0 || understood !== options.length) return undefined
  return { key, profile, configDir }
}
