/**
 * Writes one setting to tedge.toml: locked, read again, edited, checked, replaced as a whole.
 *
 * A version 1 file gets its newer names on this occasion. Environment and options are never written.
 */
import { Effect } from "effect"
import {
  type ConfigEvent,
  ConfigFileNotEditable,
  ConfigFileNotWritten,
  type InvalidSetting,
  type WriteRefusal
} from "../../messages/config.ts"
import { fileLayer, isTable, type TomlPath, type TomlTable } from "../../messages/settings/file-layer.ts"
import type { SettingWarning } from "../../messages/settings/refused-value.ts"
import type { Value } from "../../messages/settings/setting.ts"
import { fullKey, type SettingName } from "../../messages/settings/setting-name.ts"
import { replaceFile } from "../../platform/files/atomic-file.ts"
import { makeDirectories } from "../../platform/files/given-files.ts"
import { editToml, parseToml } from "../../platform/toml/toml-file.ts"
import type { TomlEdit } from "../../platform/toml/toml-lines.ts"
import { fileOwner } from "../../platform/users/file-owner.ts"
import { type OpenConfig, openForWriting } from "./open-config.ts"
import { type ConfigPlace, configFile, holdsSecret, type ReadFile } from "./read-sources.ts"

/** What writing needs from outside. */
export interface ConfigWriting {
  /** Runs `work` while no other process that asks for the same lock file does. */
  readonly locked: <A, E>(lockFile: string, work: Effect.Effect<A, E>) => Effect.Effect<A, E | ConfigFileNotWritten>
  readonly changed: (event: ConfigEvent) => Effect.Effect<void>
}

/** `decide` answers the new value, or undefined if nothing is to change. */
export const editFile = (
  place: ConfigPlace,
  writing: ConfigWriting,
  name: SettingName,
  decide: (open: OpenConfig) => Effect.Effect<{ readonly value: Value | undefined } | undefined, InvalidSetting>
): Effect.Effect<ReadonlyArray<SettingWarning>, WriteRefusal> =>
  Effect.gen(function* () {
    const path = configFile(place)
    yield* openForWriting(place) // a file that is refused anyway needs no lock
    const work = Effect.gen(function* () {
      const open = yield* openForWriting(place)
      const decided = yield* decide(open)
      if (decided === undefined) return undefined
      const text = yield* edited(open.file, name, decided.value)
      return text === open.file.text ? undefined : yield* write(place, path, text)
    })
    yield* makeDirectory(place.configDir, path)
    const warnings = yield* writing.locked(`${path}.lock`, Effect.uninterruptible(work))
    if (warnings === undefined) return []
    yield* writing.changed({ _tag: "SettingChanged", key: fullKey(name), path })
    return warnings
  })

/** Replaces the file by itself. One that is not there becomes what the first setting makes of it, without the setting. */
export const rewriteFile = (
  place: ConfigPlace,
  writing: ConfigWriting
): Effect.Effect<ReadonlyArray<SettingWarning>, WriteRefusal> =>
  Effect.gen(function* () {
    const path = configFile(place)
    yield* makeDirectory(place.configDir, path)
    const work = Effect.flatMap(openForWriting(place), ({ file }) =>
      write(place, path, file.text ?? '[config]\nversion = "2"\n')
    )
    return yield* writing.locked(`${path}.lock`, Effect.uninterruptible(work))
  })

/** The first setting on a fresh device makes the directory. */
const makeDirectory = (directory: string, path: string): Effect.Effect<void, ConfigFileNotWritten> =>
  Effect.try({
    try: () => makeDirectories(directory),
    catch: (error) =>
      new ConfigFileNotWritten({
        path,
        step: "create",
        code: error instanceof Error && "code" in error ? String(error.code) : "UNKNOWN"
      })
  })

const edited = (
  file: ReadFile,
  name: SettingName,
  value: Value | undefined
): Effect.Effect<string, ConfigFileNotEditable> =>
  Effect.gen(function* () {
    const key = fullKey(name)
    const refused = (detail: string) => Effect.fail(new ConfigFileNotEditable({ path: file.path, key, detail }))
    if (value === undefined && !file.layer.places.has(key)) return file.text ?? ""
    const at = key.split(".")
    const migration = migrationEdits(file)
    if (migration === undefined) return yield* refused("a value of an older version cannot be kept")
    const elsewhere = (file.layer.places.get(key) ?? []).filter((place) => place.join(".") !== key)
    const older = elsewhere.filter((place) => !migration.some((edit) => edit.at === place))
    const edits = [...migration, ...older.map((place) => ({ at: place, value: undefined })), { at, value }]
    const result = yield* Effect.promise(() => editToml(file.text ?? "", edits))
    if (result.kind === "refused") return yield* refused(result.detail)
    const emptied = value === undefined && name.profile !== undefined ? emptyTable(result.tree, at) : undefined
    if (emptied === undefined) return result.text
    const pruned = yield* Effect.promise(() => editToml(result.text, [{ at: emptied, value: undefined }]))
    return pruned.kind === "edited" ? pruned.text : result.text
  })

/** Undefined: something in the file has a type no setting has. */
const migrationEdits = ({ text, layer }: ReadFile): ReadonlyArray<TomlEdit> | undefined => {
  const version: TomlEdit = { at: ["config", "version"], value: "2" }
  if (layer.renames.length === 0) return text === undefined || text.trim() === "" ? [version] : []
  const moved = layer.renames.flatMap(
    ({ from, to, value }): ReadonlyArray<TomlEdit | undefined> => [
      { at: from, value: undefined },
      isWritable(value) ? { at: to, value } : undefined
    ]
  )
  const edits = moved.filter((edit) => edit !== undefined)
  return edits.length === moved.length ? [...edits, version] : undefined
}

const isWritable = (value: unknown): value is Value =>
  ["string", "boolean", "number"].includes(typeof value) ||
  (Array.isArray(value) && value.every((member) => typeof member === "string"))

/** A profile that has nothing left goes: the highest table that is empty now. */
const emptyTable = (tree: TomlTable, at: TomlPath): TomlPath | undefined => {
  for (let length = 1; length < at.length; length++) {
    const table = at.slice(0, length).reduce<unknown>((value, key) => (isTable(value) ? value[key] : undefined), tree)
    if (isTable(table) && isEmpty(table)) return at.slice(0, length)
  }
  return undefined
}

const isEmpty = (table: TomlTable): boolean => Object.values(table).every((value) => isTable(value) && isEmpty(value))

const write = (
  place: ConfigPlace,
  path: string,
  text: string
): Effect.Effect<ReadonlyArray<SettingWarning>, ConfigFileNotWritten> =>
  Effect.gen(function* () {
    const owner = fileOwner(place.configDir)
    const wanted = owner.kind === "owner" ? { uid: owner.uid, gid: owner.gid } : undefined
    const mode = hasSecret(text, path) ? 0o640 : 0o644
    const replaced = yield* replaceFile({ path, content: text, mode, owner: wanted, inPlace: true }).pipe(
      Effect.mapError(({ step, code }) => new ConfigFileNotWritten({ path, step, code }))
    )
    if (owner.kind === "unknown") return [{ kind: "owner-not-set", path, owner: owner.name, code: "ENOENT" }]
    if (replaced.ownerProblem === undefined) return []
    const name = owner.kind === "owner" ? owner.name : "its former owner"
    return [{ kind: "owner-not-set", path, owner: name, code: replaced.ownerProblem }]
  })

const hasSecret = (text: string, path: string): boolean => {
  const parsed = parseToml(text)
  const layer = parsed.kind === "tree" ? fileLayer(parsed.tree, path, "/") : undefined
  return layer?.kind === "layer" && holdsSecret(layer.layer)
}
