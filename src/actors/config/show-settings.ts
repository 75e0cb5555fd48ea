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
const listOrder = (settings: ReadonlyArray<Setting>): ReadonlyArray<Setting> => {
  const root = emptyGroup()
  for (const setting of settings) {
    const names = setting.key.split(".").slice(0, -1)
    names.reduce(subgroup, root).settings.push(setting)
  }
  return settingsOf(root)
}

interface Group {
  readonly settings: Array<Setting>
  readonly groups: Map<string, Group>
}

const emptyGroup = (): Group => ({ settings: [], groups: new Map() })

const subgroup = ({ groups }: Group, name: string): Group => {
  const group = groups.get(name) ?? emptyGroup()
  groups.set(name, group)
  return group
}

const settingsOf = ({ settings, groups }: Group): ReadonlyArray<Setting> => [
  ...settings,
  ...[...groups.values()].flatMap(settingsOf)
]
