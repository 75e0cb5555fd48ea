/** The settings that a mapper publishes. Source: thin-edge, config exposure. */
import type { CloudProfile } from "../../messages/settings/file-layer.ts"
import { resolveSetting, type Sources } from "../../messages/settings/resolve.ts"
import type { Value } from "../../messages/settings/setting.ts"
import { settingsTable } from "../../messages/settings/settings-table.ts"
import { printValue } from "../../messages/settings/value.ts"

/** By key without the cloud, in the order of the table; with their types in the file. Unset ones are omitted. */
export const exposedSettings = (
  sources: Sources,
  { cloud, profile }: CloudProfile
): Readonly<Record<string, Value>> => {
  const own = settingsTable.filter(({ key, exposed }) => exposed === true && key.startsWith(`${cloud}.`))
  return Object.fromEntries(
    own.flatMap((setting) => {
      const resolved = resolveSetting({ setting, profile }, sources)
      if (resolved.kind === "unset") return []
      const value = setting.type.kind === "host-port" ? printValue(setting.type, resolved.value) : resolved.value
      return [[setting.key.slice(cloud.length + 1), value]]
    })
  )
}
