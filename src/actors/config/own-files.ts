/**
 * Our own files beside tedge.toml: secrets.toml and tedge-p11-server.toml, and a PIN that systemd passes to the service.
 *
 * thin-edge's own programs do not know these files; they write tedge.toml and mapper.toml without keys they do not know,
 * and with mode 0644.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs"
import { join } from "node:path"
import {
  leavesOf,
  nameAt,
  type PlacedLayer,
  placesOf,
  type TomlPath,
  type TomlTable
} from "../../messages/settings/file-layer.ts"
import { emptyLayer, type Found, type Layer, layerOf } from "../../messages/settings/layer.ts"
import type { SettingWarning, ValueSource } from "../../messages/settings/refused-value.ts"
import { settingByKey } from "../../messages/settings/setting-name.ts"
import { readTomlFile, type TomlRead } from "../../platform/toml/toml-file.ts"

export interface OwnFile extends PlacedLayer {
  readonly path: string
  /** Undefined: there is none. */
  readonly text: string | undefined
  readonly tree: TomlTable
  readonly mode: number | undefined
  /** Why it is unusable; it counts as empty then. */
  readonly problem: Exclude<TomlRead, { readonly kind: "read" | "absent" }> | undefined
}

export interface OwnFiles {
  readonly secrets: OwnFile
  readonly p11Server: OwnFile
}

/** `isAbsent`: the files count as absent. */
export const readOwnFiles = (configDir: string, isAbsent: boolean): OwnFiles => ({
  secrets: readOwnFile(join(configDir, "secrets.toml"), configDir, isAbsent, secretsLayer),
  p11Server: readOwnFile(join(configDir, "tedge-p11-server.toml"), configDir, isAbsent, p11ServerLayer)
})

const readOwnFile = (path: string, directory: string, isAbsent: boolean, layerFrom: typeof secretsLayer): OwnFile => {
  const read: TomlRead = isAbsent ? { kind: "absent" } : readTomlFile(path)
  const tree = read.kind === "read" ? read.tree : {}
  const problem = read.kind === "unreadable" || read.kind === "malformed" ? read : undefined
  const { text, mode } = read.kind === "read" ? read : { text: undefined, mode: undefined }
  return { ...layerFrom(tree, { path, directory }), path, text, tree, mode, problem }
}

/** systemd.exec(5), "Credentials": `tedge-pin` is device.cryptoki.pin. Services refuse a missing or unusable one. */
export const credentialLayer = (environment: { readonly [name: string]: string | undefined }): Layer => {
  const directory = environment.CREDENTIALS_DIRECTORY
  const setting = settingByKey("device.cryptoki.pin")
  if (!directory || setting === undefined) return emptyLayer
  const path = join(directory, "tedge-pin")
  const value = firstLine(path)
  if (value === undefined || value === "") return emptyLayer
  const name = { setting, profile: undefined, spelling: "canonical" } as const
  return layerOf([{ given: setting.key, name, value, source: { kind: "credential", path }, directory }])
}

/** Undefined: not a file of one short line. */
const firstLine = (path: string): string | undefined => {
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      if (!fstatSync(file).isFile()) return undefined
      const bytes = Buffer.alloc(512)
      const text = bytes
        .subarray(0, readSync(file, bytes, 0, bytes.length, 0))
        .toString()
        .replace(/\r?\n$/, "")
      return /[\r\n\0]/.test(text) ? undefined : text
    } finally {
      closeSync(file)
    }
  } catch {
    return undefined // missing
  }
}

interface FileFacts {
  readonly path: string
  /** Base of relative paths in the file. */
  readonly directory: string
}

/** secrets.toml: PINs and passwords, named as in tedge.toml (`[device.cryptoki] pin`, `[c8y.profiles.p.device] key_pin`). */
const secretsLayer = (tree: TomlTable, facts: FileFacts): PlacedLayer =>
  placed(tree, facts, (at) => {
    const name = nameAt(at)
    return name?.setting.secret === true ? name : undefined
  })

/** tedge-p11-server.toml: the settings of `[p11_server]`, with or without that table around them. */
const p11ServerLayer = (tree: TomlTable, facts: FileFacts): PlacedLayer =>
  placed(tree, facts, (at) => {
    const key = ["p11_server", ...(at[0] === "p11_server" ? at.slice(1) : at)].join(".")
    if (key === "p11_server.rules") return "elsewhere"
    const setting = settingByKey(key)
    return setting && { setting, profile: undefined, spelling: "canonical" }
  })

const placed = (
  tree: TomlTable,
  { path, directory }: FileFacts,
  nameOf: (at: TomlPath) => Found["name"] | "elsewhere" | undefined
): PlacedLayer => {
  const source: ValueSource = { kind: "file", path }
  const found: Array<Found & { readonly at: TomlPath }> = []
  const warnings: Array<SettingWarning> = []
  for (const { at, value } of leavesOf(tree)) {
    const name = nameOf(at)
    const given = at.join(".")
    if (name === undefined) warnings.push({ kind: "unknown-key", key: given, source })
    else if (name !== "elsewhere") found.push({ at, given, name, value, source, directory })
  }
  const layer = layerOf(found)
  return { layer: { ...layer, warnings: [...warnings, ...layer.warnings] }, places: placesOf(found) }
}
