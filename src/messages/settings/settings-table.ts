/**
 * All settings, in the order of `tedge config list --doc`.
 *
 * Source of the keys, types and defaults: thin-edge's tedge config reference. Two names of it,
 * c8y.entity_store.auto_register and .clean_start, are deprecated names of agent.entity_store.*. Ours come last.
 */
import { bridgeSettings } from "./bridge-settings.ts"
import { cumulocitySettings } from "./cumulocity-settings.ts"
import { deviceSettings } from "./device-settings.ts"
import { localSettings } from "./local-settings.ts"
import { awsSettings, azureSettings } from "./other-cloud-settings.ts"
import { p11ServerSettings } from "./p11-server-settings.ts"
import type { Setting } from "./setting.ts"
import { systemSettings } from "./system-settings.ts"

export const thinEdgeSettings: ReadonlyArray<Setting> = [
  ...deviceSettings,
  ...cumulocitySettings,
  ...azureSettings,
  ...awsSettings,
  ...localSettings,
  ...systemSettings
]

export const settingsTable: ReadonlyArray<Setting> = [...thinEdgeSettings, ...bridgeSettings, ...p11ServerSettings]
