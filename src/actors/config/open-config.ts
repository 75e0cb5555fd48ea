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
  NewerConfigurationFound,
  ProfileNotUsable,
  type SettingSelector,
  UnknownProfile,
  UnknownSetting
} from "../../messages/config.ts"
import type { WrongEntry } from "../../messages/settings/layer.ts"
import type { SettingWarning } from "../../messages/settings/refused-value.ts"
import { knownProfiles, type Sources } from "../../messages/settings/resolve.ts"
import type { CloudName } from "../../messages/settings/setting.ts"
import { fullKey, parseProfile, type SettingName } from "../../messages/settings/setting-name.ts"
import { similarKeys } from "../../messages/settings/similar-keys.ts"
import { type ConfigPlace, type FileProblem, newerCloudFile, type ReadSources, readSources } from "./read-sources.ts"
import { selectSetting } from "./select-setting.ts"

export type OpenConfig = Extract<ReadSources, { readonly kind: "sources" }>

/** For changes: values that are wrong do not keep anyone from putting them right. */
export const openForWriting = (place: ConfigPlace): Effect.Effect<OpenConfig, ConfigFileRefusal> =>
  Effect.suspend(() => {
    const read = readSources(place)
    return read.kind === "sources" ? Effect.succeed(read) : Effect.fail(fileRefusal(read.path, read.problem))
  })

/** For reading: one wrong value, in the environment or in the file, and nothing is read. */
export const openForReading = (place: ConfigPlace): Effect.Effect<OpenConfig, ConfigFileRefusal | InvalidSetting> =>
  Effect.gen(function* () {
    const open = yield* openForWriting(place)
    const { options, environment, file } = open.sources
    const wrong = [options, environment, file].flatMap((layer) => layer.wrong)[0]
    return wrong === undefined ? open : yield* refuseWrong(wrong)
  })

/** The setting a selector names; a warning if it is not its own name. */
export const findSetting = (
  place: ConfigPlace,
  selector: SettingSelector
): Effect.Effect<
  { readonly name: SettingName; readonly key: string; readonly warnings: ReadonlyArray<SettingWarning> },
  UnknownSetting | ProfileNotUsable | NewerConfigurationFound
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
    const { name, cloud } = selected
    if (cloud !== undefined) yield* refuseNewer(place, cloud)
    const key = fullKey(name)
    const source = { kind: "argument" } as const
    return {
      name,
      key,
      warnings: name.spelling === "canonical" ? [] : [{ kind: "deprecated-key", given, key, source }]
    }
  })

export const refuseNewer = (place: ConfigPlace, cloud: CloudName): Effect.Effect<void, NewerConfigurationFound> =>
  Effect.suspend(() => {
    const path = newerCloudFile(place, cloud)
    return path === undefined ? Effect.void : Effect.fail(new NewerConfigurationFound({ cloud, path }))
  })

/** Reading from a profile nobody ever set anything in is a mistake. */
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

const refuseWrong = ({ key, value, source, problem }: WrongEntry) =>
  Effect.fail(new InvalidSetting({ key, value, source, problem }))

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
