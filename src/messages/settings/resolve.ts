/**
 * Resolves a setting from all sources.
 *
 * Precedence: option, environment, files, other settings as fallback, default. Only for identities the certificate's name
 * precedes everything. Source: thin-edge, tedge config reference, "Fallbacks".
 */
import { controlsReplaced } from "../shown-text.ts"
import { type Layer, profilesOf } from "./layer.ts"
import type { ValueSource } from "./refused-value.ts"
import type { IdProblem } from "./resolved-settings.ts"
import type { CloudName, Setting, Value } from "./setting.ts"
import { cloudOf, fullKey, settingByKey } from "./setting-name.ts"
import { parseText } from "./value.ts"

export interface Sources {
  readonly configDir: string
  readonly options: Layer
  readonly environment: Layer
  /** PINs and passwords, which are stored separately: a credential of the service, then secrets.toml. */
  readonly secrets?: ReadonlyArray<Layer>
  /** tedge.toml and the files of the clouds. */
  readonly file: Layer
  /** The profiles that have a file, by cloud; those of tedge.toml are in the layer. */
  readonly profiles?: ReadonlyMap<CloudName, ReadonlyArray<string>>
  /** Variables of the system, not ours: NO_PROXY. */
  readonly variable: (name: string) => string | undefined
  /** The common name in the certificate at a path. */
  readonly commonName: (certPath: string) => { readonly name: string } | { readonly problem: IdProblem }
}

export type Resolved =
  | { readonly kind: "value"; readonly value: Value; readonly source: ValueSource }
  | { readonly kind: "unset"; readonly idProblem: IdProblem | undefined }

export interface NamedSetting {
  readonly setting: Setting
  readonly profile: string | undefined
}

export const resolveSetting = (named: NamedSetting, sources: Sources): Resolved => {
  const identity = named.setting.certificateName
  if (identity !== undefined) return resolveIdentity(named, identity, sources)
  return stored(named, sources) ?? follow(named, sources) ?? standIn(named.setting, sources) ?? unset
}

/** With the fallbacks that only apply where the value is used (key_uri, key_pin). */
export const resolveForUse = (named: NamedSetting, sources: Sources): Resolved => {
  const resolved = resolveSetting(named, sources)
  const fallback = named.setting.fallbackWhenUsed
  return resolved.kind === "unset" && fallback !== undefined ? followOne(fallback, named, sources) : resolved
}

/** The full keys that determine a setting: an invalid value matters only there. */
export const consultedKeys = (named: NamedSetting, sources: Sources): ReadonlyArray<string> => {
  const { setting } = named
  const certificate = setting.certificateName === undefined ? undefined : settingByKey(setting.certificateName)
  const ofCertificate = certificate ? consultedKeys({ setting: certificate, profile: named.profile }, sources) : []
  const keys = [...ofCertificate, fullKey(named)]
  if (stored(named, sources) !== undefined) return keys
  if (certificate !== undefined) return [...keys, ...identityFallbacks(setting).map(fullKey)]
  for (const key of setting.fallback ?? []) {
    const next = settingByKey(key)
    if (next === undefined) continue
    const profile = cloudOf(next) === cloudOf(setting) ? named.profile : undefined
    keys.push(...consultedKeys({ setting: next, profile }, sources))
    if (resolveSetting({ setting: next, profile }, sources).kind === "value") break
  }
  return keys
}

/** Every profile of a cloud that has any setting, by name. */
export const knownProfiles = (sources: Sources, cloud: CloudName): ReadonlyArray<string> =>
  [
    ...new Set([
      ...(sources.profiles?.get(cloud) ?? []),
      ...[sources.file, ...(sources.secrets ?? []), sources.environment].flatMap((layer) => profilesOf(layer, cloud))
    ])
  ].sort()

const unset: Resolved = { kind: "unset", idProblem: undefined }

/** The first source that has a setting counts. */
export const layersOf = ({ options, environment, secrets = [], file }: Sources): ReadonlyArray<Layer> => [
  options,
  environment,
  ...secrets,
  file
]

const stored = (named: NamedSetting, sources: Sources): Resolved | undefined => {
  const key = fullKey(named)
  for (const layer of layersOf(sources)) {
    const entry = layer.entries.get(key)
    if (entry !== undefined) return { kind: "value", ...entry }
  }
  return undefined
}

const follow = (named: NamedSetting, sources: Sources): Resolved | undefined => {
  for (const key of named.setting.fallback ?? []) {
    const resolved = followOne(key, named, sources)
    if (resolved.kind === "value") return resolved
  }
  return undefined
}

/** A profile falls back to its own settings, never to the section without profile. */
const followOne = (key: string, from: NamedSetting, sources: Sources): Resolved => {
  const setting = settingByKey(key)
  if (setting === undefined) return unset
  const profile = cloudOf(setting) === cloudOf(from.setting) ? from.profile : undefined
  const resolved = resolveSetting({ setting, profile }, sources)
  return resolved.kind === "value" && resolved.source.kind !== "default"
    ? { ...resolved, source: { kind: "fallback", key: fullKey({ setting, profile }) } }
    : resolved
}

const standIn = (setting: Setting, sources: Sources): Resolved | undefined => {
  const variable = setting.fallbackVariable
  const text = variable === undefined ? undefined : sources.variable(variable)
  // Not refused. In a list, line breaks separate.
  if (variable !== undefined && text)
    return { kind: "value", value: controlsReplaced(text, ","), source: { kind: "variable", variable } }
  if (setting.default === undefined) return undefined
  const given = typeof setting.default === "string" ? setting.default : setting.default.inConfigDir
  const parsed = parseText(setting.type, given, sources.configDir)
  return parsed.ok ? { kind: "value", value: parsed.value, source: { kind: "default" } } : undefined
}

const resolveIdentity = (named: NamedSetting, certKey: string, sources: Sources): Resolved => {
  const certificate = settingByKey(certKey)
  const certPath = certificate && resolveSetting({ setting: certificate, profile: named.profile }, sources)
  const path = certPath?.kind === "value" ? String(certPath.value) : ""
  const read = sources.commonName(path)
  if ("name" in read) return { kind: "value", value: read.name, source: { kind: "certificate", path } }
  return stored(named, sources) ?? storedElsewhere(named, sources) ?? { kind: "unset", idProblem: read.problem }
}

/** The value that is set for the device, not the name in another certificate than the one that is sent to the cloud. */
const storedElsewhere = (named: NamedSetting, sources: Sources): Resolved | undefined => {
  for (const other of identityFallbacks(named.setting)) {
    const found = stored(other, sources)
    if (found?.kind === "value") return { ...found, source: { kind: "fallback", key: fullKey(other) } }
  }
  return undefined
}

const identityFallbacks = ({ fallback = [] }: Setting): ReadonlyArray<NamedSetting> =>
  fallback.flatMap((key) => {
    const setting = settingByKey(key)
    return setting === undefined ? [] : [{ setting, profile: undefined }]
  })
