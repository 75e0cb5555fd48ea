/** The files and the environment for ConfigActor: an unusable one is a refusal. */
import { Effect, Result } from "effect"
import {
  ConfigFileMalformed,
  type ConfigFileRefusal,
  ConfigFileUnreadable,
  ConfigMigrationConflict,
  ConfigVersionUnknown,
  InvalidSetting,
  type KeyRefusal,
  ProfileNotUsable,
  type SecretsNeed,
  type SettingSelector,
  UnknownProfile,
  UnknownSetting
} from "../../messages/config.ts"
import { parsePkcs11Uri } from "../../messages/pkcs11-uri.ts"
import type { CloudProfile } from "../../messages/settings/file-layer.ts"
import { type Layer, layerWithout, type WrongEntry } from "../../messages/settings/layer.ts"
import type { SettingWarning } from "../../messages/settings/refused-value.ts"
import {
  consultedKeys,
  knownProfiles,
  layersOf,
  type NamedSetting,
  resolveSetting,
  type Sources
} from "../../messages/settings/resolve.ts"
import type { CloudName } from "../../messages/settings/setting.ts"
import {
  fullKey,
  parseProfile,
  type SettingName,
  sectionOf,
  settingByKey
} from "../../messages/settings/setting-name.ts"
import { similarKeys } from "../../messages/settings/similar-names.ts"
import { faultOf } from "./cloud-files.ts"
import type { OwnFile } from "./own-files.ts"
import { type ConfigPlace, type FileProblem, isSecretKey, type ReadSources, readSources } from "./read-sources.ts"
import { selectSetting } from "./select-setting.ts"

export type OpenConfig = Extract<ReadSources, { readonly kind: "sources" }>

/** For changes: invalid values do not prevent fixing them. */
export const openForWriting = (place: ConfigPlace): Effect.Effect<OpenConfig, ConfigFileRefusal> =>
  Effect.suspend(() => {
    const read = readSources(place)
    return read.kind === "sources" ? Effect.succeed(read) : Effect.fail(fileRefusal(read.path, read.problem))
  })

/** One invalid value, in the environment or in a file, refuses reading. Of clouds only the requested section counts. */
const openForReading = (
  place: ConfigPlace,
  section: CloudProfile | undefined
): Effect.Effect<OpenConfig, ConfigFileRefusal | InvalidSetting> =>
  Effect.gen(function* () {
    const open = yield* openForWriting(place)
    yield* refuseWrong(open, ({ key }) => sectionOf(key) === undefined)
    if (section !== undefined) yield* refuseUnusable(open, section)
    return open
  })

/** A section whose file is unusable, or contains an invalid value. */
export const refuseUnusable = (
  open: OpenConfig,
  section: CloudProfile
): Effect.Effect<void, ConfigFileRefusal | InvalidSetting> =>
  Effect.andThen(
    refuseFault(open, section),
    refuseWrong(open, ({ key }) => isIn(section, key))
  )

/**
 * For use. Without secrets.toml another PIN would be tried, which could lock a token: what may need a PIN or a password is
 * refused then, and the rest gets none.
 */
export const openForUse = (
  place: ConfigPlace,
  section: CloudProfile | undefined,
  { secrets }: SecretsNeed = {}
): Effect.Effect<OpenConfig, ConfigFileRefusal | InvalidSetting> =>
  Effect.gen(function* () {
    const open = yield* openForReading(place, section)
    if (open.own.secrets.problem === undefined) return open
    const isSet = (key: string, without?: string) => {
      const setting = settingByKey(key)
      const resolved = setting && resolveSetting({ setting, profile: undefined }, open.sources)
      return resolved?.kind === "value" && resolved.value !== without
    }
    const mayNeed = isSet("proxy.address") || (secrets !== "proxy" && isSet("device.cryptoki.mode", "off"))
    if (secrets === "required" || (secrets !== "optional" && mayNeed)) yield* refuseOwnFile(open.own.secrets)
    return without(open, isSecretKey)
  })

/** A value on which the setting depends is invalid. */
export const refuseConsulted = (open: OpenConfig, named: NamedSetting): Effect.Effect<void, InvalidSetting> => {
  const keys = consultedKeys(named, open.sources)
  return refuseWrong(open, ({ key }) => keys.includes(key))
}

/** `key`: a setting, or a requested part of one. Our own files only affect their settings. */
export const refuseOwnFault = ({ own }: OpenConfig, key: string): Effect.Effect<void, ConfigFileRefusal> => {
  if (isSecretKey(key)) return refuseOwnFile(own.secrets)
  return key.startsWith("p11_server.") ? refuseOwnFile(own.p11Server) : Effect.void
}

export const refuseOwnFile = ({ path, problem }: OwnFile): Effect.Effect<void, ConfigFileRefusal> =>
  problem === undefined ? Effect.void : Effect.fail(fileRefusal(path, problem))

/** Something that determines the PIN may be missing: a file of secrets, or an invalid value. */
export const mayLackSecret = ({ own, sources }: OpenConfig, section: CloudProfile): boolean => {
  const counts = ({ key }: WrongEntry) => sectionOf(key) === undefined || (isSecretKey(key) && isIn(section, key))
  const isMissing = own.secrets.problem !== undefined || layersOf(sources).some(({ wrong }) => wrong.some(counts))
  return isMissing || badUris(sources).length > 0
}

/** As if invalid URIs were not set. */
export const withoutBadUris = (open: OpenConfig): OpenConfig => {
  const bad = badUris(open.sources)
  return without(open, (key) => bad.includes(key))
}

const badUris = (sources: Sources): ReadonlyArray<string> =>
  ["device.key_uri", "device.cryptoki.uri"].filter((key) =>
    layersOf(sources).some(({ entries }) => {
      const entry = entries.get(key)
      return entry !== undefined && Result.isFailure(parsePkcs11Uri(String(entry.value)))
    })
  )

export const refuseFault = (
  { clouds }: OpenConfig,
  { cloud, profile }: CloudProfile
): Effect.Effect<void, ConfigFileRefusal> => {
  const fault = faultOf(clouds[cloud], profile)
  return fault === undefined ? Effect.void : Effect.fail(fileRefusal(fault.path, fault.problem))
}

/** Its `url` is set, valid or not, or its file is unusable. */
export const isConfigured = ({ clouds, sources }: OpenConfig, { cloud, profile }: CloudProfile): boolean => {
  const url = profile === undefined ? `${cloud}.url` : `${cloud}.profiles.${profile}.url`
  return (
    faultOf(clouds[cloud], profile) !== undefined ||
    layersOf(sources).some(({ entries, wrong }) => entries.has(url) || wrong.some(({ key }) => key === url))
  )
}

/** As if nothing were set in the section, by a file, a variable or an option. */
export const withoutSection = (open: OpenConfig, section: CloudProfile): OpenConfig =>
  without(open, (key) => isIn(section, key))

const without = (open: OpenConfig, leavesOut: (key: string) => boolean): OpenConfig => {
  const { options, environment, secrets = [], file } = open.sources
  const left = (layer: Layer) => layerWithout(layer, leavesOut)
  const layers = {
    options: left(options),
    environment: left(environment),
    secrets: secrets.map(left),
    file: left(file)
  }
  return { ...open, sources: { ...open.sources, ...layers } }
}

const isIn = (section: CloudProfile, key: string): boolean => {
  const found = sectionOf(key)
  return found?.cloud === section.cloud && found.profile === section.profile
}

const refuseWrong = (
  { sources }: OpenConfig,
  counts: (entry: WrongEntry) => boolean
): Effect.Effect<void, InvalidSetting> => {
  const wrong = layersOf(sources)
    .flatMap((layer) => layer.wrong)
    .find(counts)
  if (wrong === undefined) return Effect.void
  const { key, value, source, problem } = wrong
  return Effect.fail(new InvalidSetting({ key, value, source, problem }))
}

/** The setting of a selector; warns if the name is not its canonical one. */
export const findSetting = (
  place: ConfigPlace,
  selector: SettingSelector
): Effect.Effect<
  { readonly name: SettingName; readonly key: string; readonly warnings: ReadonlyArray<SettingWarning> },
  UnknownSetting | ProfileNotUsable
> =>
  Effect.gen(function* () {
    const { key: given } = selector
    const selected = selectSetting(selector, place.environment)
    if (selected.kind === "unknown")
      return yield* Effect.fail(new UnknownSetting({ key: given, similar: similarKeys(given) }))
    if (selected.kind === "profile")
      return yield* Effect.fail(
        new ProfileNotUsable({ profile: selected.profile, key: given, reason: selected.reason })
      )
    const { name } = selected
    const key = fullKey(name)
    const source = { kind: "argument" } as const
    return {
      name,
      key,
      warnings: name.spelling === "canonical" ? [] : [{ kind: "deprecated-key", given, key, source }]
    }
  })

/**
 * Reading from a profile without any setting is a mistake. So it is from one whose table in tedge.toml is ignored, and of
 * which an incomplete upgrade has only moved the PIN.
 */
export const refuseUnknownProfile = (
  { sources, clouds, file }: OpenConfig,
  cloud: CloudName | undefined,
  profile: string | undefined
): Effect.Effect<void, UnknownProfile> => {
  if (cloud === undefined || profile === undefined) return Effect.void
  const hasTable = [...file.layer.places.keys()].some((key) => key.startsWith(`${cloud}.profiles.${profile}.`))
  const isIgnored =
    hasTable && clouds[cloud].ignoredTable && !clouds[cloud].files.some((one) => one.profile === profile)
  const known = knownProfiles(isIgnored ? { ...sources, secrets: [] } : sources, cloud)
  return known.includes(profile)
    ? Effect.void
    : Effect.fail(new UnknownProfile({ cloud, profile, known, ...(isIgnored && { isIgnored }) }))
}

export const usableProfile = (profile: string): Effect.Effect<string, KeyRefusal> => {
  const parsed = parseProfile(profile)
  return "name" in parsed
    ? Effect.succeed(parsed.name)
    : Effect.fail(new ProfileNotUsable({ profile, key: "", reason: parsed.problem }))
}

const fileRefusal = (path: string, problem: FileProblem): ConfigFileRefusal => {
  switch (problem.kind) {
    case "unreadable":
      return new ConfigFileUnreadable({ path, code: problem.code })
    case "malformed":
      return new ConfigFileMalformed({ path, line: problem.line, column: problem.column, reason: problem.reason })
    case "unknown-version":
      return new ConfigVersionUnknown({ path, version: problem.version })
    case "conflict":
      return new ConfigMigrationConflict({ path, from: problem.from, to: problem.to })
  }
}
