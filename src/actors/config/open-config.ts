/** The files and the environment as ConfigActor needs them: what cannot be used is a refusal. */
import { Effect } from "effect"
import {
  ConfigFileMalformed,
  type ConfigFileRefusal,
  ConfigFileUnreadable,
  ConfigMigrationConflict,
  ConfigVersionUnknown,
  InvalidSetting,
  type KeyRefusal,
  ProfileNotUsable,
  type SettingSelector,
  UnknownProfile,
  UnknownSetting
} from "../../messages/config.ts"
import type { CloudProfile } from "../../messages/settings/file-layer.ts"
import { type Layer, layerWithout, type WrongEntry } from "../../messages/settings/layer.ts"
import type { SettingWarning } from "../../messages/settings/refused-value.ts"
import { knownProfiles, layersOf, type Sources } from "../../messages/settings/resolve.ts"
import type { CloudName } from "../../messages/settings/setting.ts"
import { fullKey, parseProfile, type SettingName, sectionOf } from "../../messages/settings/setting-name.ts"
import { similarKeys } from "../../messages/settings/similar-keys.ts"
import { faultOf } from "./cloud-files.ts"
import type { OwnFile } from "./own-files.ts"
import { type ConfigPlace, type FileProblem, isSecretKey, type ReadSources, readSources } from "./read-sources.ts"
import { selectSetting } from "./select-setting.ts"

export type OpenConfig = Extract<ReadSources, { readonly kind: "sources" }>

/** For changes: values that are wrong do not keep anyone from putting them right. */
export const openForWriting = (place: ConfigPlace): Effect.Effect<OpenConfig, ConfigFileRefusal> =>
  Effect.suspend(() => {
    const read = readSources(place)
    return read.kind === "sources" ? Effect.succeed(read) : Effect.fail(fileRefusal(read.path, read.problem))
  })

/**
 * For reading: one wrong value, in the environment or in a file, and nothing is read. Of clouds only the section that is
 * asked for counts.
 */
export const openForReading = (
  place: ConfigPlace,
  section: CloudProfile | undefined
): Effect.Effect<OpenConfig, ConfigFileRefusal | InvalidSetting> =>
  Effect.gen(function* () {
    const open = yield* openForWriting(place)
    yield* refuseWrong(open, ({ key }) => sectionOf(key) === undefined)
    if (section !== undefined) yield* refuseUnusable(open, section)
    return open
  })

/** A section whose file cannot be used, or holds a wrong value. */
export const refuseUnusable = (
  open: OpenConfig,
  section: CloudProfile
): Effect.Effect<void, ConfigFileRefusal | InvalidSetting> =>
  Effect.andThen(
    refuseFault(open, section),
    refuseWrong(open, ({ key }) => isIn(section, key))
  )

/**
 * For use: without secrets.toml another PIN would be tried, and a token locks itself. All that needs a PIN or a password is
 * read through this.
 */
export const openForUse = (
  place: ConfigPlace,
  section: CloudProfile | undefined
): Effect.Effect<OpenConfig, ConfigFileRefusal | InvalidSetting> =>
  Effect.tap(openForReading(place, section), ({ own }) => refuseOwnFile(own.secrets))

/** `key`: a setting, or the part of one that is asked for. Our own files stop nothing that is not in them. */
export const refuseOwnFault = ({ own }: OpenConfig, key: string): Effect.Effect<void, ConfigFileRefusal> => {
  if (isSecretKey(key)) return refuseOwnFile(own.secrets)
  return key.startsWith("p11_server.") ? refuseOwnFile(own.p11Server) : Effect.void
}

export const refuseOwnFile = ({ path, problem }: OwnFile): Effect.Effect<void, ConfigFileRefusal> =>
  problem === undefined ? Effect.void : Effect.fail(fileRefusal(path, problem))

/** Something that decides which PIN is tried may be missing: a file of secrets, or a value that cannot be used. */
export const mayLackSecret = ({ own, sources }: OpenConfig, section: CloudProfile): boolean => {
  const counts = ({ key }: WrongEntry) => sectionOf(key) === undefined || (isSecretKey(key) && isIn(section, key))
  return own.secrets.problem !== undefined || layersOf(sources).some(({ wrong }) => wrong.some(counts))
}

export const refuseFault = (
  { clouds }: OpenConfig,
  { cloud, profile }: CloudProfile
): Effect.Effect<void, ConfigFileRefusal> => {
  const fault = faultOf(clouds[cloud], profile)
  return fault === undefined ? Effect.void : Effect.fail(fileRefusal(fault.path, fault.problem))
}

/** Its `url` is set, valid or not, or its file cannot be used. */
export const isConfigured = ({ clouds, sources }: OpenConfig, { cloud, profile }: CloudProfile): boolean => {
  const url = profile === undefined ? `${cloud}.url` : `${cloud}.profiles.${profile}.url`
  return (
    faultOf(clouds[cloud], profile) !== undefined ||
    layersOf(sources).some(({ entries, wrong }) => entries.has(url) || wrong.some(({ key }) => key === url))
  )
}

/** As if nothing were set in the section, by a file, a variable or an option. */
export const withoutSection = (open: OpenConfig, section: CloudProfile): OpenConfig => {
  const { options, environment, secrets = [], file } = open.sources
  const left = (layer: Layer) => layerWithout(layer, (key) => isIn(section, key))
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

/** The setting a selector names; a warning if it is not its own name. */
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

/** Reading from a profile without any setting is a mistake. */
export const refuseUnknownProfile = (
  sources: Sources,
  cloud: CloudName | undefined,
  profile: string | undefined
): Effect.Effect<void, UnknownProfile> => {
  if (cloud === undefined || profile === undefined) return Effect.void
  const known = knownProfiles(sources, cloud)
  return known.includes(profile) ? Effect.void : Effect.fail(new UnknownProfile({ cloud, profile, known }))
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
