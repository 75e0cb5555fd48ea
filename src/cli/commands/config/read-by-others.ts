/** Says which of thin-edge's own programs on this device do not find a PIN or a password that was just set. */
import { join } from "node:path"
import type { SettingWarning } from "../../../messages/settings/refused-value.ts"
import { cloudOf, parseSettingName } from "../../../messages/settings/setting-name.ts"
import type { CommandInput } from "../../command-line/command-spec.ts"
import { thinEdgePrograms } from "../../compose/installation.ts"
import { configDirOf } from "../mapper/config-dir.ts"

export const notReadByOthers = (
  key: string,
  input: CommandInput,
  installed: ReadonlyArray<string> = thinEdgePrograms()
): ReadonlyArray<SettingWarning> => {
  const name = parseSettingName(key)
  if (name?.setting.secret !== true) return []
  const path = join(configDirOf(input), "secrets.toml")
  const variable = `TEDGE_${name.setting.key.replaceAll(".", "_").toUpperCase()}`
  const isProviders = name.setting.key === "device.cryptoki.pin"
  const readers = isProviders
    ? ["tedge-p11-server", "tedge-mapper"]
    : cloudOf(name.setting) === undefined
      ? ["tedge-mapper", "tedge-agent"]
      : ["tedge-mapper"]
  return readers
    .filter((program) => installed.includes(program))
    .map((program) => ({ kind: "not-read-by", program, path, variable }))
}
