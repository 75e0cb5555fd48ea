/**
 * Parses setting names as typed.
 *
 * Dots and underscores are the same on input: `c8y_device_key_uri` is `c8y.device.key_uri`. A cloud's settings may contain
 * a profile: `c8y.profiles.prod.url`. Source: thin-edge, tedge config reference, "Key names".
 */
import { type CloudName, cloudNames, type Setting } from "./setting.ts"
import { settingsTable } from "./settings-table.ts"

/** A setting, in one profile of its cloud or in none. */
export interface SettingName {
  readonly setting: Setting
  readonly profile: string | undefined
  /** `other`: with other dots and underscores. `deprecated`: a name of an earlier version; its values may differ too. */
  readonly spelling: "canonical" | "other" | "deprecated"
}

/** `c8y.profiles.prod.url`: unique, and the path in tedge.toml. */
export const fullKey = ({ setting, profile }: Pick<SettingName, "setting" | "profile">): string => {
  if (profile === undefined) return setting.key
  const cloud = cloudOf(setting)
  return cloud === undefined ? setting.key : `${cloud}.profiles.${profile}${setting.key.slice(cloud.length)}`
}

export const cloudOf = (setting: Setting): CloudName | undefined => cloudOfKey.get(setting.key)

/** The section of a cloud that a full key is in; undefined: not a cloud's setting. */
export const sectionOf = (
  key: string
): { readonly cloud: CloudName; readonly profile: string | undefined } | undefined => {
  const [first, second, third] = key.split(".")
  const cloud = cloudNames.find((name) => name === first)
  return cloud && { cloud, profile: second === "profiles" ? third : undefined }
}

export const settingByKey = (key: string): Setting | undefined => byKey.get(key)

/** Undefined: unknown name. */
export const parseSettingName = (given: string): SettingName | undefined => {
  const typed = flat(given)
  const found = findFlat(typed)
  if (found !== undefined)
    return { ...found, profile: undefined, spelling: spelled(given, found.setting.key, found.old) }
  const profiled = /^(c8y|azure|az|aws)_profiles_(.+)$/.exec(typed)
  if (profiled === null) return undefined
  const cloud = profiled[1] === "azure" ? "az" : profiled[1]
  return longestKeyAtEnd(given, `${cloud}`, profiled[2] ?? "")
}

/** A profile's name, lower-cased, or why it is invalid. */
export const parseProfile = (
  given: string
): { readonly name: string } | { readonly problem: "empty" | "characters" | "no-letter-or-digit" } => {
  if (given === "") return { problem: "empty" }
  if (!/^[A-Za-z0-9_-]+$/.test(given)) return { problem: "characters" }
  return /[A-Za-z0-9]/.test(given) ? { name: given.toLowerCase() } : { problem: "no-letter-or-digit" }
}

/** The longest matching key decides where a profile's name ends and the key begins. */
const longestKeyAtEnd = (given: string, cloud: string, rest: string): SettingName | undefined => {
  for (let at = 1; at < rest.length - 1; at++) {
    if (rest[at] !== "_") continue
    const found = findFlat(`${cloud}_${rest.slice(at + 1)}`)
    const profile = parseProfile(rest.slice(0, at))
    if (found === undefined || cloudOf(found.setting) !== cloud || "problem" in profile) continue
    const name = { setting: found.setting, profile: profileAsTyped(given, cloud, profile.name) }
    return { ...name, spelling: spelled(given, fullKey(name), found.old || given.startsWith("azure")) }
  }
  return undefined
}

/** `c8y.profiles.my_site.url`: a typed underscore is kept. */
const profileAsTyped = (given: string, cloud: string, flatName: string): string => {
  const dotted = new RegExp(`^(?:azure|${cloud})\\.profiles\\.([A-Za-z0-9_-]+)\\.`).exec(given)?.[1]
  return dotted !== undefined && flat(dotted) === flatName ? dotted.toLowerCase() : flatName
}

const spelled = (given: string, canonical: string, old: boolean): SettingName["spelling"] => {
  if (old) return "deprecated"
  return given === canonical ? "canonical" : "other"
}

const findFlat = (name: string): { readonly setting: Setting; readonly old: boolean } | undefined => {
  const setting = byFlatName.get(name)
  if (setting !== undefined) return { setting, old: false }
  const older = byOldFlatName.get(name) ?? byFlatName.get(name.replace(/^azure_/, "az_"))
  return older === undefined ? undefined : { setting: older, old: true }
}

const flat = (name: string): string => name.replaceAll(".", "_")

const byKey: ReadonlyMap<string, Setting> = new Map(settingsTable.map((setting) => [setting.key, setting]))

const byFlatName: ReadonlyMap<string, Setting> = new Map(settingsTable.map((setting) => [flat(setting.key), setting]))

const byOldFlatName: ReadonlyMap<string, Setting> = new Map(
  settingsTable.flatMap((setting) => (setting.deprecated ?? []).map((name) => [flat(name), setting]))
)

const cloudOfKey: ReadonlyMap<string, CloudName> = new Map(
  settingsTable.flatMap(({ key }) => {
    const cloud = cloudNames.find((name) => key.startsWith(`${name}.`))
    return cloud === undefined ? [] : [[key, cloud]]
  })
)
