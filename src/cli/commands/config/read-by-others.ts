/** How thin-edge's own programs on this device treat a setting: they do not find secrets, and drop keys they do not know. */
import { join } from "node:path"
import { bridgeUnitName } from "../../../messages/installation/bridge-service.ts"
import type { Installation } from "../../../messages/installation/installation.ts"
import { bridgeSettings } from "../../../messages/settings/bridge-settings.ts"
import type { SettingWarning } from "../../../messages/settings/refused-value.ts"
import { cloudOf, fullKey, parseSettingName } from "../../../messages/settings/setting-name.ts"
import type { CommandInput } from "../../command-line/command-spec.ts"
import { thinEdgePrograms } from "../../compose/installation.ts"
import { configDirOf } from "./config-command.ts"

export const notReadByOthers = (
  key: string,
  input: CommandInput,
  installed: ReadonlyArray<string> = thinEdgePrograms()
): ReadonlyArray<SettingWarning> => {
  const name = parseSettingName(key)
  if (name?.setting.secret !== true) return []
  const path = join(configDirOf(input), "secrets.toml")
  const profile = name.profile ?? (input.given("profile") ? input.text("profile") : undefined)
  const variable = variableOf(fullKey({ ...name, profile }))
  const cloud = cloudOf(name.setting)
  const isProviders = name.setting.key === "device.cryptoki.pin"
  const readers = isProviders
    ? ["tedge-p11-server", "tedge-mapper"]
    : cloud === undefined
      ? ["tedge-mapper", "tedge-agent"]
      : ["tedge-mapper"]
  // With its bridge switched off it needs no key.
  const isIdle = input.installation.kind === "beside-thin-edge" && /[._]pin$/.test(name.setting.key)
  return readers
    .filter((program) => installed.includes(program) && !(isIdle && program === "tedge-mapper"))
    .map((program) => {
      const isMapper = program === "tedge-mapper"
      const unit = isMapper ? bridgeUnitName("everything-ours", cloud ?? "<cloud>", profile) : program
      return { kind: "not-read-by", program, unit, path, variable }
    })
}

/** Its `config set` writes tedge.toml and mapper.toml without keys it does not know. */
export const notKeptByOthers = (
  key: string,
  installation: Installation["kind"],
  installed: ReadonlyArray<string> = thinEdgePrograms()
): ReadonlyArray<SettingWarning> => {
  const name = parseSettingName(key)
  const isOurs = name !== undefined && bridgeSettings.some((setting) => setting.key === name.setting.key)
  if (!isOurs || !installed.includes("tedge")) return []
  const unit = bridgeUnitName(installation, cloudOf(name.setting) ?? "<cloud>", name.profile)
  return [{ kind: "not-kept", key: fullKey(name), unit, variable: variableOf(fullKey(name)) }]
}

const variableOf = (key: string): string => `TEDGE_${key.replaceAll(".", "_").toUpperCase()}`
