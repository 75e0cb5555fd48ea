/**
 * The setting that a command names: its key, its `--profile`, TEDGE_CLOUD_PROFILE.
 *
 * Does not load Effect, for the fast front end. Source: thin-edge, tedge config reference, "Key names".
 */
import type { SettingSelector } from "../../messages/config.ts"
import type { CloudName } from "../../messages/settings/setting.ts"
import { cloudOf, parseProfile, parseSettingName, type SettingName } from "../../messages/settings/setting-name.ts"

type Selected =
  | { readonly kind: "setting"; readonly name: SettingName; readonly cloud: CloudName | undefined }
  | { readonly kind: "unknown" }
  | {
      readonly kind: "profile"
      readonly profile: string
      readonly reason: "empty" | "characters" | "no-letter-or-digit" | "not-profiled" | "named-twice"
    }

export const selectSetting = (
  { key, profile }: SettingSelector,
  environment: { readonly [name: string]: string | undefined }
): Selected => {
  const name = parseSettingName(key)
  if (name === undefined) return { kind: "unknown" }
  const cloud = cloudOf(name.setting)
  if (profile === null) return { kind: "setting", name, cloud }
  if (profile !== undefined) {
    if (cloud === undefined) return { kind: "profile", profile, reason: "not-profiled" }
    if (name.profile !== undefined) return { kind: "profile", profile, reason: "named-twice" }
  }
  const wanted = profile ?? (cloud !== undefined && name.profile === undefined ? profileFrom(environment) : undefined)
  if (wanted === undefined) return { kind: "setting", name, cloud }
  const parsed = parseProfile(wanted)
  if ("problem" in parsed) return { kind: "profile", profile: wanted, reason: parsed.problem }
  return { kind: "setting", name: { ...name, profile: parsed.name }, cloud }
}

/** TEDGE_CLOUD_PROFILE; empty means unset. */
export const profileFrom = (environment: { readonly [name: string]: string | undefined }): string | undefined =>
  environment.TEDGE_CLOUD_PROFILE || undefined
