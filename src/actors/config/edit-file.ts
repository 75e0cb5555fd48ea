/**
 * Writes one setting to its file: locked, reread, edited, checked, replaced atomically.
 *
 * Environment and options are never written.
 */
import { Effect } from "effect"
import {
  type ConfigEvent,
  type ConfigFileNotEditable,
  ConfigFileNotWritten,
  type ConfigFileRefusal,
  type InvalidSetting,
  type WriteRefusal
} from "../../messages/config.ts"
import { cloudTypeKey, type TomlPath } from "../../messages/settings/file-layer.ts"
import type { SettingWarning } from "../../messages/settings/refused-value.ts"
import { cloudNames, type Value } from "../../messages/settings/setting.ts"
import { fullKey, type SettingName, sectionOf } from "../../messages/settings/setting-name.ts"
import { makeDirectories } from "../../platform/files/given-files.ts"
import { codeOf } from "../../platform/process/error-code.ts"
import { mapperText, secretIn } from "./edit-mapper-file.ts"
import { editedOwn, ownChange } from "./edit-own-file.ts"
import { mapperSection, sharedChange, tedgeChange } from "./edit-shared-file.ts"
import { changesWithPinApart, pinApart } from "./edit-uri.ts"
import { type OpenConfig, openForWriting, refuseFault, refuseOwnFault, refuseOwnFile } from "./open-config.ts"
import type { OwnFile } from "./own-files.ts"
import { type ConfigPlace, configFile } from "./read-sources.ts"
import { type FileChange, writeFiles } from "./write-files.ts"

/** Dependencies of writing. */
export interface ConfigWriting {
  /** Runs `work` while no other process holds the same lock file. */
  readonly locked: <A, E>(lockFile: string, work: Effect.Effect<A, E>) => Effect.Effect<A, E | ConfigFileNotWritten>
  readonly changed: (event: ConfigEvent) => Effect.Effect<void>
}

/** `decide` returns the new value, or undefined if nothing is to change. */
export const editFile = (
  place: ConfigPlace,
  writing: ConfigWriting,
  name: SettingName,
  decide: (open: OpenConfig) => Effect.Effect<{ readonly value: Value | undefined } | undefined, InvalidSetting>
): Effect.Effect<ReadonlyArray<SettingWarning>, WriteRefusal> =>
  Effect.gen(function* () {
    const key = fullKey(name)
    const read = openForChange(place, name)
    yield* read // a file that is refused anyway needs no lock
    const work = Effect.gen(function* () {
      const open = yield* read
      const decided = yield* decide(open)
      if (decided === undefined) return undefined
      const apart = pinApart(open, name, decided.value)
      const wanted = yield* apart === undefined
        ? changesFor(place, open, name, decided.value)
        : changesWithPinApart(place, open, apart)
      const changes = wanted.filter(({ before, after }) => before !== after)
      const [first] = changes
      if (first === undefined) return undefined
      const warnings = yield* writeFiles(place, changes)
      return { path: first.path, warnings: apart === undefined ? warnings : [...warnings, apart.warning] }
    })
    const written = yield* locked(place, writing, work)
    if (written === undefined) return []
    yield* writing.changed({ _tag: "SettingChanged", key, path: written.path })
    return written.warnings
  })

/**
 * Replaces each file that setting the value would change by itself. A missing tedge.toml is created as by the first
 * setting, without the setting; another file is removed again, as it would be empty.
 */
export const rewriteFile = (
  place: ConfigPlace,
  writing: ConfigWriting,
  name: SettingName
): Effect.Effect<ReadonlyArray<SettingWarning>, WriteRefusal> => {
  const work = Effect.gen(function* () {
    const open = yield* openForChange(place, name)
    const changes = yield* unchangedFiles(place, open, name)
    const warnings = yield* writeFiles(place, changes)
    const made = changes.filter(({ path, before }) => before === undefined && path !== open.file.path)
    yield* writeFiles(
      place,
      made.map((change) => ({ ...change, after: undefined }))
    )
    return warnings
  })
  return locked(place, writing, work)
}

/** Of the file that the setting belongs to, and of the one it would be removed from. */
const unchangedFiles = (
  place: ConfigPlace,
  open: OpenConfig,
  name: SettingName
): Effect.Effect<ReadonlyArray<FileChange>, ConfigFileNotEditable> => {
  const own = ownPlace(open, name)
  if (own !== undefined)
    return Effect.map(sharedChange(place, open, name, undefined), (old) => {
      const kept = old.before === old.after ? [] : [{ ...old, after: old.before }]
      return [ownChange(own.file, own.file.text ?? "\n", own.isSecret), ...kept]
    })
  const section = mapperSection(open, name)
  if (section === undefined) return Effect.succeed([tedgeChange(open, open.file.text ?? '[config]\nversion = "2"\n')])
  const { path, text } = mapperText(place, open, section)
  const after = text ?? `${cloudTypeKey} = "${section.cloud}"\n`
  return Effect.succeed([{ path, before: text, after, holdsSecret: secretIn(section) }])
}

/** One lock for all settings files: which one a value belongs to depends on all of them. */
export const locked = <A, E>(place: ConfigPlace, writing: ConfigWriting, work: Effect.Effect<A, E>) => {
  const path = configFile(place)
  return Effect.andThen(
    makeDirectory(place.configDir, path),
    writing.locked(`${path}.lock`, Effect.uninterruptible(work))
  )
}

/** The current files; refused if the setting's file is unusable. */
const openForChange = (place: ConfigPlace, name: SettingName): Effect.Effect<OpenConfig, ConfigFileRefusal> =>
  Effect.tap(openForWriting(place), (open) => {
    const section = sectionOf(fullKey(name))
    const fault = section === undefined ? Effect.void : refuseFault(open, section)
    return Effect.andThen(refuseOwnFault(open, name.setting.key), fault)
  })

/** The current files; refused if one required for an upgrade is unusable. */
export const openForUpgrade = (place: ConfigPlace): Effect.Effect<OpenConfig, ConfigFileRefusal> =>
  Effect.tap(openForWriting(place), (open) =>
    Effect.gen(function* () {
      yield* refuseOwnFile(open.own.secrets)
      yield* refuseOwnFile(open.own.p11Server)
      for (const cloud of cloudNames)
        for (const { profile } of open.clouds[cloud].faults) yield* refuseFault(open, { cloud, profile })
    })
  )

/**
 * In an order in which after each step the settings read as before or as wanted: a value is first set in our own
 * files, and last removed from the others.
 */
const changesFor = (
  place: ConfigPlace,
  open: OpenConfig,
  name: SettingName,
  value: Value | undefined
): Effect.Effect<ReadonlyArray<FileChange>, ConfigFileNotEditable> => {
  const own = ownPlace(open, name)
  if (own === undefined) return Effect.map(sharedChange(place, open, name, value), (change) => [change])
  return Effect.gen(function* () {
    const { file, at, isSecret } = own
    const changed = ownChange(file, yield* editedOwn(file, { key: fullKey(name), at, value }), isSecret)
    const old = yield* sharedChange(place, open, name, undefined)
    return value === undefined ? [old, changed] : [changed, old]
  })
}

/** PINs, passwords, and the settings of tedge-p11-server have our own files. */
const ownPlace = (
  { own: { secrets, p11Server } }: OpenConfig,
  name: SettingName
): { readonly file: OwnFile; readonly at: TomlPath; readonly isSecret: boolean } | undefined => {
  if (name.setting.secret === true) return { file: secrets, at: fullKey(name).split("."), isSecret: true }
  const [table, ...at] = name.setting.key.split(".")
  return table === "p11_server" ? { file: p11Server, at, isSecret: false } : undefined
}

/** The first setting on a fresh device creates the directory. */
const makeDirectory = (directory: string, path: string): Effect.Effect<void, ConfigFileNotWritten> =>
  Effect.try({
    try: () => makeDirectories(directory),
    catch: (error) => new ConfigFileNotWritten({ path, step: "create", code: codeOf(error) })
  })
