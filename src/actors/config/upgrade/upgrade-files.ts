/**
 * `tedge config upgrade`: moves settings from older files to the file they belong to.
 *
 * The tables of clouds in tedge.toml become mapper.toml files, PINs and passwords go to secrets.toml, `[p11_server]` to
 * tedge-p11-server.toml. A section that has a mapper.toml is not changed, as the device uses that; its
 * table in tedge.toml is then only in the copy. tedge.toml is written last, so that after a crash at any point it still has
 * what remains to be moved, and the same command continues.
 */
import { Effect } from "effect"
import { ConfigFileNotEditable, InvalidSetting, type Upgraded, type WriteRefusal } from "../../../messages/config.ts"
import {
  type CloudProfile,
  cloudTypeKey,
  isTable,
  leavesOf,
  nameAt,
  type TomlPath,
  tableNames
} from "../../../messages/settings/file-layer.ts"
import type { SettingWarning } from "../../../messages/settings/refused-value.ts"
import { type CloudName, cloudNames, type Value } from "../../../messages/settings/setting.ts"
import { fullKey, parseProfile } from "../../../messages/settings/setting-name.ts"
import { parseToml as parseValue } from "../../../messages/settings/value.ts"
import { type Assign, partToml } from "../../../platform/toml/part-toml.ts"
import { commentsAt, editToml, type TomlComments, type TomlEdit } from "../../../platform/toml/toml-edit.ts"
import { parseToml, printToml } from "../../../platform/toml/toml-file.ts"
import { type MapperFile, mapperFile } from "../cloud-files.ts"
import { type ConfigWriting, locked, openForUpgrade } from "../edit-file.ts"
import { isWithoutContent, secretIn } from "../edit-mapper-file.ts"
import { ownChange } from "../edit-own-file.ts"
import { migrationEdits, tedgeChange } from "../edit-shared-file.ts"
import type { OpenConfig } from "../open-config.ts"
import type { OwnFile } from "../own-files.ts"
import { pruned } from "../prune-tables.ts"
import { type ConfigPlace, isSecretKey } from "../read-sources.ts"
import { type FileChange, writeFiles } from "../write-files.ts"
import { copyOf, secretCopies } from "./upgrade-copies.ts"
import { cloudUris, ownUris, settledAfter, withoutUriPins } from "./upgrade-pins.ts"

export const upgradeFiles = (place: ConfigPlace, writing: ConfigWriting): Effect.Effect<Upgraded, WriteRefusal> => {
  const work = Effect.gen(function* () {
    const open = yield* openForUpgrade(place)
    const planned = yield* plannedChanges(place, open)
    const changes = planned.changes.filter(({ before, after }) => before !== after)
    const copies = changes.flatMap(copyOf)
    const warnings = yield* writeFiles(place, [...copies, ...changes])
    return {
      written: changes.flatMap(({ path, after }) => (after === undefined ? [] : path)),
      copies: copies.map(({ path }) => path),
      secretCopies: secretCopies(place.configDir).map(({ path }) => path),
      secrets: planned.secrets,
      warnings: [...planned.warnings, ...warnings]
    }
  })
  return locked(place, writing, work)
}

interface Plan {
  readonly changes: ReadonlyArray<FileChange>
  /** The full keys of the moved PINs and passwords. */
  readonly secrets: ReadonlyArray<string>
  readonly warnings: ReadonlyArray<SettingWarning>
}

/** Of a cloud. `source`: the current file of its settings. */
interface MapperChange {
  readonly change: FileChange
  readonly section: CloudProfile
  readonly source: string
}

const plannedChanges = (
  place: ConfigPlace,
  open: OpenConfig
): Effect.Effect<Plan, ConfigFileNotEditable | InvalidSetting> =>
  Effect.gen(function* () {
    const parted = yield* partedTedge(open)
    const mappers = yield* Effect.forEach(
      cloudNames.flatMap((cloud) => open.clouds[cloud].files),
      withoutSecrets
    )
    const secretsText = parted.parts.get(secretsPart) ?? ""
    const ofTedge = yield* Effect.forEach(leavesIn(secretsText), secretOf(open.file.path, secretsText))
    const { secrets, p11Server } = open.own
    const made = withoutProfileFirst([...parted.parts]).flatMap(([to, text]) => madeMapper(place, open, to, text))
    const fresh = yield* Effect.forEach(made, (one) => one)
    const settled = settledAfter(
      open,
      fresh.map(({ section, change }) => ({ section, text: change.after ?? "" })),
      new Map(ofTedge.map(({ at, value }) => [at.join("."), value]))
    )
    const parts = [
      ...(yield* Effect.forEach([...fresh, ...mappers], (one) =>
        withoutUriPins(settled, open, one, cloudUris(one.section.cloud, one.section.profile))
      )),
      yield* withoutUriPins(settled, open, { change: tedgeChange(open, parted.rest) }, ownUris)
    ]
    const bare = parts.map((one) => ({ ...one, change: withoutEmptyMapper(one.change) }))
    const inUris = new Map(bare.flatMap(({ pins }) => [...pins]))
    const moved = [...mappers.flatMap((mapper) => mapper.secrets), ...ofTedge]
    const stored = yield* withMoved(secrets, moved, inUris)
    const changes = [
      ownChange(secrets, stored, true),
      ownChange(p11Server, yield* withServerTable(p11Server, parted.parts.get(serverPart)), false),
      ...bare.map(({ change }) => change).filter(({ after }) => after !== undefined),
      // Last: without a file of the cloud an ignored table in tedge.toml would take effect again.
      ...bare.map(({ change }) => change).filter(({ after }) => after === undefined)
    ]
    return {
      changes,
      secrets: [...new Set([...moved.map(({ at }) => at.join(".")), ...inUris.keys()])],
      warnings: bare.flatMap(({ warnings }) => warnings)
    }
  })

const withoutEmptyMapper = (change: FileChange): FileChange =>
  change.path.endsWith("/mapper.toml") && change.after !== undefined && isWithoutContent(change.after)
    ? { ...change, after: undefined }
    : change

/**
 * After a crash between two files of a cloud, the section without one is an unknown profile, which is refused. The
 * one without profile would count as not set.
 */
const withoutProfileFirst = (parts: ReadonlyArray<[to: string, text: string]>) => [
  ...parts.filter(([to]) => !to.includes(".")),
  ...parts.filter(([to]) => to.includes("."))
]

/** Renames old keys of a version 1 tedge.toml at the same time. */
const partedTedge = (open: OpenConfig) =>
  Effect.gen(function* () {
    const { path, text = "" } = open.file
    const refused = (detail: string, at: TomlPath = ["config upgrade"]) =>
      new ConfigFileNotEditable({ path, key: at.join("."), detail })
    const edits = migrationEdits(open.file)
    if (edits === undefined) return yield* refused("a value of an older version cannot be kept")
    const isOldest = open.file.text !== undefined && open.file.layer.renames.length > 0
    const migrated = isOldest ? editToml(text, edits) : ({ kind: "edited", text } as const)
    if (migrated.kind === "refused") return yield* refused(migrated.detail)
    const parted = partToml(migrated.text, assignment(open))
    if (parted.kind === "refused") return yield* refused(parted.detail, parted.at)
    // A table that contained only a PIN is removed with it.
    const moved = leavesIn(parted.parts.get(secretsPart)).map(({ at }) => at)
    return { ...parted, rest: withoutEmpty(parted.rest, moved) }
  })

const withoutEmpty = (text: string, removed: ReadonlyArray<TomlPath>): string => {
  let left = text
  for (const at of removed) {
    const parsed = parseToml(left)
    if (parsed.kind === "tree") left = pruned({ kind: "edited", text: left, tree: parsed.tree }, at).text
  }
  return left
}

const secretsPart = "secrets"
const serverPart = "p11_server"

const assignment =
  (open: OpenConfig): Assign =>
  (path) => {
    const [first, second, third = "", ...rest] = path
    if (first === "p11_server") return { to: serverPart, at: path.slice(1) }
    const name = nameAt(path)
    const cloud = cloudNames.find((one) => tableNames(one).some((table) => table === first))
    const profile = second === "profiles" && third !== "" ? parseProfile(third) : undefined
    if (name?.setting.secret === true && !(cloud !== undefined && hasFile(open, cloud, name.profile)))
      return { to: secretsPart, at: fullKey(name).split(".") }
    if (cloud === undefined) return undefined
    if (second !== "profiles" || (profile !== undefined && "problem" in profile))
      return { to: cloud, at: path.slice(1) }
    return profile === undefined ? { to: undefined, at: [] } : { to: `${cloud}.${profile.name}`, at: rest }
  }

const hasFile = (open: OpenConfig, cloud: CloudName, profile: string | undefined): boolean =>
  open.clouds[cloud].files.some((one) => one.profile === profile)

/** Of a part of tedge.toml; none for a section that has its file, and none for an empty one. */
const madeMapper = (
  place: ConfigPlace,
  open: OpenConfig,
  to: string,
  text: string
): ReadonlyArray<Effect.Effect<MapperChange, ConfigFileNotEditable>> => {
  const [name, profile] = to.split(".")
  const cloud = cloudNames.find((one) => one === name)
  const parsed = parseToml(text)
  if (cloud === undefined || hasFile(open, cloud, profile)) return []
  if (parsed.kind === "tree" && Object.keys(parsed.tree).length === 0) return []
  const section = { cloud, profile }
  const path = mapperFile(place.configDir, section)
  const left = withoutEmpty(`${text.trimEnd()}\n`, secretPlaces)
  const result = editToml(left, [{ at: [cloudTypeKey], value: cloud }])
  if (result.kind === "refused")
    return [Effect.fail(new ConfigFileNotEditable({ path, key: cloudTypeKey, detail: result.detail }))]
  const change = { path, before: undefined, after: result.text, holdsSecret: secretIn(section) }
  return [Effect.succeed({ change, section, source: open.file.path })]
}

/** Where a section may have PINs and passwords. */
const secretPlaces: ReadonlyArray<TomlPath> = [["device", "key_pin"]]

interface Secret {
  readonly at: TomlPath
  readonly value: Value
  readonly comments: TomlComments
}

/** A mapper.toml that keeps its other settings, and what it had of PINs and passwords. */
const withoutSecrets = (file: MapperFile) =>
  Effect.gen(function* () {
    const wrong = file.layer.wrong.find(({ key }) => isSecretKey(key))
    if (wrong !== undefined) return yield* new InvalidSetting(wrong)
    const found = [...file.places].filter(([key]) => isSecretKey(key))
    const edits = found.flatMap(([, places]) => places.map((at): TomlEdit => ({ at, value: undefined })))
    const result = editToml(file.text, edits)
    if (result.kind === "refused")
      return yield* new ConfigFileNotEditable({ path: file.path, key: found[0]?.[0] ?? "", detail: result.detail })
    const secrets = found.flatMap(([key, [at = []]]): ReadonlyArray<Secret> => {
      const entry = file.layer.entries.get(key)
      const { behind } = commentsAt(file.text, at)
      return entry === undefined ? [] : [{ at: key.split("."), value: entry.value, comments: { above: [], behind } }]
    })
    const change: FileChange = {
      path: file.path,
      before: file.text,
      after: withoutEmpty(result.text, secretPlaces),
      holdsSecret: secretIn(file)
    }
    return { secrets, change, section: file, source: file.path }
  })

const leavesIn = (text: string | undefined) => {
  const parsed = parseToml(text ?? "")
  return parsed.kind === "tree" ? [...leavesOf(parsed.tree)] : []
}

/** A number is not a PIN: 0x10 would become `16`. */
const secretOf =
  (path: string, text: string) =>
  ({ at, value }: { readonly at: TomlPath; readonly value: unknown }): Effect.Effect<Secret, InvalidSetting> => {
    const parsed = parseValue({ kind: "text" }, value, "/")
    const source = { kind: "file", path } as const
    return parsed.ok
      ? Effect.succeed({ at, value: parsed.value, comments: commentsAt(text, at) })
      : Effect.fail(new InvalidSetting({ key: at.join("."), value: undefined, source, problem: parsed.problem }))
  }

/**
 * What secrets.toml has already takes precedence over what was elsewhere. Of the rest the PIN in a key's URI goes first; that of
 * the provider's URI counts last.
 */
const withMoved = (
  file: OwnFile,
  moved: ReadonlyArray<Secret>,
  inUris: ReadonlyMap<string, string>
): Effect.Effect<string | undefined, ConfigFileNotEditable> => {
  const isMoved = (key: string) => moved.some(({ at }) => at.join(".") === key)
  const pins = [...inUris].filter(([key, pin]) => pin !== "" && !(key === "device.cryptoki.pin" && isMoved(key)))
  const missing = moved.filter(({ at }) => !file.places.has(at.join(".")))
  const edits = new Map([
    ...missing.map((secret): [string, TomlEdit] => [secret.at.join("."), secret]),
    ...pins.map(([key, value]): [string, TomlEdit] => [key, { at: key.split("."), value }])
  ])
  if (edits.size === 0) return Effect.succeed(file.text)
  const result = editToml(file.text ?? "", [...edits.values()])
  return result.kind === "edited"
    ? Effect.succeed(result.text)
    : Effect.fail(new ConfigFileNotEditable({ path: file.path, key: "", detail: result.detail }))
}

const withServerTable = (
  file: OwnFile,
  text: string | undefined
): Effect.Effect<string | undefined, ConfigFileNotEditable> => {
  if (text === undefined || text.trim() === "") return Effect.succeed(file.text)
  if (file.text === undefined) return Effect.succeed(`${text.trimEnd()}\n`)
  const parsed = parseToml(text)
  const table = parsed.kind === "tree" ? parsed.tree : {}
  const isThere = (key: string) =>
    file.tree[key] !== undefined || (isTable(file.tree.p11_server) && file.tree.p11_server[key] !== undefined)
  const missing = Object.fromEntries(Object.entries(table).filter(([key]) => !isThere(key)))
  const { rules, ...values } = missing
  const edits = Object.entries(values).map(([key, value]) => ({ at: [key], value: value as Value }))
  const result = editToml(file.text, edits)
  if (result.kind === "refused")
    return Effect.fail(new ConfigFileNotEditable({ path: file.path, key: serverPart, detail: result.detail }))
  return Effect.succeed(rules === undefined ? result.text : `${result.text.trimEnd()}\n\n${printToml({ rules })}`)
}
