/** Reads and prints TOML: the only file that imports smol-toml. Edits: toml-edit.ts. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, statSync } from "node:fs"
import { dirname } from "node:path"
import { parse, stringify, TomlError } from "smol-toml"
import { codeOf } from "../process/error-code.ts"

export interface TomlTree {
  readonly [key: string]: unknown
}

export type TomlRead =
  | {
      readonly kind: "read"
      readonly text: string
      readonly tree: TomlTree
      readonly mode: number
      /** Its user and group. */
      readonly uid: number
      readonly gid: number
    }
  | { readonly kind: "absent" }
  | { readonly kind: "unreadable"; readonly code: string }
  /** From 1; 0: the whole file. */
  | { readonly kind: "malformed"; readonly line: number; readonly column: number; readonly reason: string }

export const readTomlFile = (path: string): TomlRead => {
  const file = readBounded(path)
  if (file.kind !== "bytes") return file
  const text = decode(file.bytes)
  if (text === undefined) return { kind: "malformed", line: 0, column: 0, reason: "the file is not UTF-8" }
  const parsed = parseToml(text)
  if (parsed.kind === "malformed") return parsed
  const { mode, uid, gid } = file
  return { kind: "read", text, tree: parsed.tree, mode, uid, gid }
}

export const parseToml = (
  text: string
): Extract<TomlRead, { kind: "malformed" }> | { readonly kind: "tree"; readonly tree: TomlTree } => {
  try {
    return { kind: "tree", tree: parse(text, { integersAsBigInt: "asNeeded", maxDepth: 64 }) }
  } catch (error) {
    if (!(error instanceof TomlError)) return { kind: "malformed", line: 0, column: 0, reason: String(error) }
    return {
      kind: "malformed",
      line: error.line,
      column: error.column,
      reason: (error.message.split("\n")[0] ?? "").replace(/^Invalid TOML document: /, "")
    }
  }
}

/** Parses one TOML value (`"text"`, `["a", "b"]`); undefined: invalid. */
export const parseTomlValue = (text: string): unknown => {
  const parsed = parseToml(`value = ${text.replaceAll("\n", " ")}`)
  return parsed.kind === "tree" ? parsed.tree.value : undefined
}

/** A document with these values, without comments. */
export const printToml = (tree: TomlTree): string => `${stringify(tree).trimEnd()}\n`

/** For comparing: tables may have different prototypes, and only their content counts. */
export const plainToml = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plainToml)
  if (!isTomlTable(value)) return value instanceof Date ? `date ${value.toISOString()}` : value
  return new Map(Object.entries(value).map(([key, member]) => [key, plainToml(member)]))
}

export const isTomlTable = (value: unknown): value is TomlTree =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)

/** Reads at most the limit, whatever the file's size claims. */
const readBounded = (
  path: string
):
  | (Pick<Extract<TomlRead, { readonly kind: "read" }>, "mode" | "uid" | "gid"> & {
      readonly kind: "bytes"
      readonly bytes: Buffer
    })
  | Exclude<TomlRead, { readonly kind: "read" }> => {
  let file: number | undefined
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const status = fstatSync(file)
    // A pipe without a writer would read as an empty file.
    if (status.isFIFO()) return { kind: "unreadable", code: "ESPIPE" }
    const bytes = Buffer.allocUnsafe(maxBytes + 1)
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(file, bytes, length, bytes.length - length, null)
    if (length > maxBytes) return { kind: "malformed", line: 0, column: 0, reason: `larger than ${maxBytes} bytes` }
    const { mode, uid, gid } = status
    return { kind: "bytes", bytes: bytes.subarray(0, length), mode: mode & 0o777, uid, gid }
  } catch (error) {
    const code = codeOf(error)
    if (code !== "ENOENT") return { kind: "unreadable", code }
    // On a file system that is not mounted (a data partition), the settings are not empty.
    return [path, dirname(path)].some(isLink) ? { kind: "unreadable", code: "dangling link" } : { kind: "absent" }
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

const isLink = (path: string): boolean => {
  try {
    return lstatSync(path).isSymbolicLink() && statSync(path, { throwIfNoEntry: false }) === undefined
  } catch {
    return false
  }
}

const decode = (bytes: Buffer): string | undefined => {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

const maxBytes = 1024 * 1024
