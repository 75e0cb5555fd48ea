/**
 * Edits a TOML document line by line: the lines that are not meant stay as they are, byte for byte.
 *
 * Knows tables, dotted keys and values of any kind; what stands inside an inline table is not reached. Its results
 * are checked by toml-file.ts.
 */
import { isPrefix, type TomlStatement, tomlStatements } from "./toml-statements.ts"

/** Sets what is at a path, or removes it (`value` undefined). Tables on the way are made. */
export interface TomlEdit {
  readonly at: ReadonlyArray<string>
  readonly value: string | number | boolean | ReadonlyArray<string> | undefined
}

/** Undefined: an edit meets something that lines cannot reach. */
export const rewrittenLines = (text: string, edits: ReadonlyArray<TomlEdit>): string | undefined =>
  edits.reduce<string | undefined>((before, edit) => (before === undefined ? before : rewritten(before, edit)), text)

const rewritten = (text: string, edit: TomlEdit): string | undefined => {
  const statements = tomlStatements(text)
  const present = statements.find((one) => one.kind === "key" && !one.inArrayOfTables && isSame(one.path, edit.at))
  if (edit.value === undefined) return removed(text, statements, edit.at, present)
  const value = printTomlValue(edit.value)
  if (present !== undefined) return text.slice(0, present.valueStart) + value + text.slice(present.valueEnd)
  return inserted(text, statements, edit.at, value)
}

const removed = (
  text: string,
  statements: ReadonlyArray<TomlStatement>,
  at: ReadonlyArray<string>,
  present: TomlStatement | undefined
): string | undefined => {
  if (present !== undefined) return text.slice(0, present.start) + text.slice(present.end)
  // A whole table: its header must be all that is left of it.
  const within = statements.filter(({ path }) => isPrefix(at, path))
  if (within.some(({ kind }) => kind !== "table")) return undefined
  return [...within].reverse().reduce((rest, { start, end }) => rest.slice(0, start) + rest.slice(end), text)
}

const inserted = (
  text: string,
  statements: ReadonlyArray<TomlStatement>,
  at: ReadonlyArray<string>,
  value: string
): string | undefined => {
  const lineEnd = /\r\n/.test(text) ? "\r\n" : "\n"
  const table = at.slice(0, -1)
  const line = `${printKey(at.slice(-1))} = ${value}${lineEnd}`
  if (table.length === 0) return insertAt(text, endOfTop(statements, text), line, lineEnd)
  const header = statements.findLast((one) => one.kind === "table" && !one.inArrayOfTables && isSame(one.path, table))
  if (header !== undefined) return insertAt(text, endOfTable(statements, header), line, lineEnd)
  const dotted = statements.findLast(
    (one) => one.kind === "key" && !one.inArrayOfTables && isPrefix(one.table, table) && isPrefix(table, one.path)
  )
  if (dotted !== undefined && dotted.path.length > table.length) {
    // The table exists by dotted keys only (`bind.port = 1`): the new key is written as they are.
    const beside = `${printKey(at.slice(dotted.table.length))} = ${value}${lineEnd}`
    return insertAt(text, dotted.end, beside, lineEnd)
  }
  const gap = text.trim() === "" || /\n\r?\n$/.test(text) ? "" : lineEnd
  return insertAt(text, text.length, `${gap}[${printKey(table)}]${lineEnd}${line}`, lineEnd)
}

/** Behind the last key of the table, before comments that belong to the next one. */
const endOfTable = (statements: ReadonlyArray<TomlStatement>, header: TomlStatement): number => {
  let end = header.end
  for (const one of statements.slice(statements.indexOf(header) + 1)) {
    if (one.kind !== "key") break
    end = one.end
  }
  return end
}

const endOfTop = (statements: ReadonlyArray<TomlStatement>, text: string): number => {
  const keys = statements.findIndex(({ kind }) => kind !== "key")
  const last = statements[(keys < 0 ? statements.length : keys) - 1]
  return last?.end ?? (text.startsWith("\uFEFF") ? 1 : 0)
}

/** The last line of a file may lack its end. */
const insertAt = (text: string, at: number, line: string, lineEnd: string): string => {
  const before = text.slice(0, at)
  const open = before !== "" && before !== "\uFEFF" && !before.endsWith("\n")
  return before + (open ? lineEnd : "") + line + text.slice(at)
}

const isSame = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean => a.length === b.length && isPrefix(a, b)

export const printKey = (path: ReadonlyArray<string>): string =>
  path.map((segment) => (/^[A-Za-z0-9_-]+$/.test(segment) ? segment : printString(segment))).join(".")

const printTomlValue = (value: NonNullable<TomlEdit["value"]>): string => {
  if (typeof value === "string") return printString(value)
  return typeof value === "object" ? `[${value.map(printString).join(", ")}]` : String(value)
}

/** A basic string. JSON's escapes are TOML's, but for DEL. */
const printString = (text: string): string => JSON.stringify(text).replaceAll("\u007F", "\\u007F")
