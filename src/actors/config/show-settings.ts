/** Single settings as `config get` and `config list` show them. */
import { Redacted } from "effect"
import type { ShownSetting } from "../../messages/config.ts"
import { knownProfiles, resolveSetting, type Sources } from "../../messages/settings/resolve.ts"
import type { CloudName, Setting } from "../../messages/settings/setting.ts"
import { cloudOf, fullKey } from "../../messages/settings/setting-name.ts"
import { settingsTable } from "../../messages/settings/settings-table.ts"
import { printValue } from "../../messages/settings/value.ts"
import { hasPin } from "./pin-text.ts"

export const showSetting = (setting: Setting, profile: string | undefined, sources: Sources): ShownSetting => {
  const key = fullKey({ setting, profile })
  const resolved = resolveSetting({ setting, profile }, sources)
  if (resolved.kind === "unset") return { key, value: undefined, source: undefined, secret: setting.secret === true }
  const text = printValue(setting.type, resolved.value)
  return {
    key,
    value: Redacted.make(text, { label: key }),
    source: resolved.source,
    secret: setting.secret === true || hasPin(text)
  }
}

/** Every setting whose key has `filter` in it; behind each cloud's settings those of its profiles. */
export const listedSettings = (
  sources: Sources,
  filter: string
): ReadonlyArray<{
  readonly setting: Setting
  readonly profile: string | undefined
  readonly cloud: CloudName | undefined
}> => {
  const order = listOrder(settingsTable)
  const listed = order.flatMap((setting, index) => {
    const cloud = cloudOf(setting)
    const own = { setting, profile: undefined, cloud }
    const next = order[index + 1]
    if (cloud === undefined || (next !== undefined && cloudOf(next) === cloud)) return [own]
    const section = order.filter((one) => cloudOf(one) === cloud)
    const profiled = knownProfiles(sources, cloud).flatMap((profile) =>
      section.map((one) => ({ setting: one, profile, cloud }))
    )
    return [own, ...profiled]
  })
  return listed.filter((one) => fullKey(one).includes(filter))
}

/** The settings of a group before those of its subgroups, else in the order of the table. */
const listOrder = (settings: ReadonlyArray<Setting>, depth = 0): ReadonlyArray<Setting> => {
  const leaves = settings.filter(({ key }) => key.split(".").length === depth + 1)
  const below = settings.filter(({ key }) => key.split(".").length > depth + 1)
  const groups = [...new Set(below.map(({ key }) => key.split(".")[depth]))]
  return [
    ...leaves,
    ...groups.flatMap((group) =>
      listOrder(
        below.filter(({ key }) => key.split(".")[depth] === group),
        depth + 1
      )
    )
  ]
}
