/**
 * Edits TOML documents: the rest stays byte for byte.
 *
 * Positions are found in the text (toml-statements.ts). Every edit is verified: the result is parsed and must differ
 * from before in exactly the requested change.
 */
import { isDeepStrictEqual } from "node:util"
import { isTomlTable, parseToml, plainToml, type TomlTree } from "./toml-file.ts"
import { inlineMembers, isPrefix, type TomlStatement, tomlStatements } from "./toml-statements.ts"

/** Sets or removes (`value` undefined) the value at a path. Missing tables are created; an emptied one may be removed. */
export interface TomlEdit {
  readonly at: ReadonlyArray<string>
  readonly value: string | number | boolean | ReadonlyArray<string> | undefined
  /** Written with a new key. */
  readonly comments?: TomlComments | undefined
}

/** Of a key: the lines directly above it, and the rest of its line. */
export interface TomlComments {
  readonly above: ReadonlyArray<string>
  readonly behind: string | undefined
}

export const commentsAt = (text: string, at: ReadonlyArray<string>): TomlComments => {
  const statement = tomlStatements(text).find(
    (one) => one.kind === "key" && !one.inArrayOfTables && isSame(one.path, at)
  )
  if (statement === undefined) return { above: [], behind: undefined }
  const lines = text.slice(0, statement.start).split(/\r?\n/).slice(0, -1)
  const first = lines.findLastIndex((line) => !/^[ \t]*#/.test(line)) + 1
  const [behind] = /#[^\r\n]*/.exec(text.slice(statement.valueEnd, statement.end)) ?? []
  return { above: lines.slice(first).map((line) => line.trim()), behind }
}

export type TomlEdited =
  | { readonly kind: "edited"; readonly text: string; readonly tree: TomlTree }
  | { readonly kind: "refused"; readonly detail: string }

/** Comments, order and everything else in the file are kept. */
export const editToml = (text: string, edits: ReadonlyArray<TomlEdit>): TomlEdited => {
  const before = parseToml(text)
  if (before.kind === "malformed") return { kind: "refused", detail: before.reason }
  let edited = { text, tree: before.tree }
  for (const edit of edits) {
    const wanted = changed(edited.tree, edit)
    if (wanted === undefined) return { kind: "refused", detail: "a value stands where a table is needed" }
    if (sameTree(wanted, edited.tree)) continue
    const result = rewritten(edited.text, edit)
    const after = parseToml(result)
    const kept = (tree: TomlTree) => withoutEmpty(tree, edit.at)
    if (after.kind === "malformed" || !sameTree(kept(after.tree), kept(wanted)))
      return { kind: "refused", detail: "the change would touch other lines of the file" }
    edited = { text: result, tree: after.tree }
  }
  return { kind: "edited", ...edited }
}

/** Undefined: the path leads through something that is not a table. */
const changed = (tree: TomlTree, { at, value }: TomlEdit): TomlTree | undefined => {
  const [segment = "", ...rest] = at
  const { [segment]: present, ...others } = tree
  if (rest.length === 0) return value === undefined ? others : { ...tree, [segment]: value }
  if (present === undefined && value === undefined) return tree
  if (present !== undefined && !isTomlTable(present)) return undefined
  const below = changed(present ?? {}, { at: rest, value })
  return below && { ...tree, [segment]: below }
}

/** Tables along the path that become empty. */
const withoutEmpty = (tree: TomlTree, [segment = "", ...rest]: ReadonlyArray<string>): TomlTree => {
  const { [segment]: present, ...others } = tree
  if (!isTomlTable(present)) return tree
  const below = withoutEmpty(present, rest)
  return Object.keys(below).length === 0 ? others : { ...tree, [segment]: below }
}

const sameTree = (a: TomlTree, b: TomlTree): boolean => isDeepStrictEqual(plainToml(a), plainToml(b))

const rewritten = (text: string, { at, value, comments }: TomlEdit): string => {
  if (value === undefined) return removed(text, at)
  const printed = printTomlValue(value)
  const nearest = keyTowards(text, tomlStatements(text), at)
  if (nearest === undefined) return inserted(text, at, printed, comments)
  if (nearest.path.length === at.length)
    return text.slice(0, nearest.valueStart) + printed + text.slice(nearest.valueEnd)
  return insertedInline(text, nearest, `${printKey(at.slice(nearest.path.length))} = ${printed}`)
}

/** The key at a path, or the innermost inline table around it. */
const keyTowards = (
  text: string,
  keys: ReadonlyArray<TomlStatement>,
  at: ReadonlyArray<string>
): TomlStatement | undefined => {
  const found = keys.find(({ kind, inArrayOfTables, path }) => kind === "key" && !inArrayOfTables && isPrefix(path, at))
  return found && (keyTowards(text, inlineMembers(text, found), at) ?? found)
}

/** Everything at a path and below it. */
const removed = (text: string, at: ReadonlyArray<string>): string => {
  const statements = tomlStatements(text)
  const doomed = statements.filter(({ path }) => isPrefix(at, path))
  if (doomed.length > 0)
    return doomed.reduceRight((rest, { start, end }) => rest.slice(0, start) + rest.slice(end), text)
  const table = keyTowards(text, statements, at.slice(0, -1))
  if (table === undefined) return text
  const members = inlineMembers(text, table)
  const index = members.findIndex(({ path }) => isPrefix(at, path))
  const member = members[index]
  if (member === undefined) return text
  const [before, next] = [members[index - 1], members[index + 1]]
  const [start, end] = next
    ? [member.start, next.start]
    : [before?.valueEnd ?? table.valueStart + 1, before ? member.end : table.valueEnd - 1]
  return removed(text.slice(0, start) + text.slice(end), at)
}

const insertedInline = (text: string, table: TomlStatement, assignment: string): string => {
  const last = inlineMembers(text, table).at(-1)
  return last === undefined
    ? `${text.slice(0, table.valueStart)}{ ${assignment} }${text.slice(table.valueEnd)}`
    : `${text.slice(0, last.end)}, ${assignment}${text.slice(last.end)}`
}

const inserted = (
  text: string,
  at: ReadonlyArray<string>,
  value: string,
  { above, behind }: TomlComments = { above: [], behind: undefined }
): string => {
  const statements = tomlStatements(text)
  const lineEnd = /\r\n/.test(text) ? "\r\n" : "\n"
  const table = at.slice(0, -1)
  const written = (key: ReadonlyArray<string>) =>
    [...above, `${printKey(key)} = ${value}${behind === undefined ? "" : ` ${behind}`}`]
      .map((one) => one + lineEnd)
      .join("")
  const line = written(at.slice(-1))
  if (table.length === 0) return insertAt(text, endOfTop(statements, text), line, lineEnd)
  const header = statements.findLast((one) => one.kind === "table" && !one.inArrayOfTables && isSame(one.path, table))
  if (header !== undefined) return insertAt(text, endOfTable(statements, header), line, lineEnd)
  const dotted = statements.findLast(
    (one) => one.kind === "key" && !one.inArrayOfTables && isPrefix(one.table, table) && isPrefix(table, one.path)
  )
  if (dotted !== undefined && dotted.path.length > table.length) {
    // The table exists by dotted keys only (`bind.port = 1`): the new key is written likewise.
    return insertAt(text, dotted.end, written(at.slice(dotted.table.length)), lineEnd)
  }
  const gap = text.trim() === "" || /\n\r?\n$/.test(text) ? "" : lineEnd
  return insertAt(text, text.length, `${gap}[${printKey(table)}]${lineEnd}${line}`, lineEnd)
}

/** After the last key of the table, before comments that belong to the next one. */
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

/** The last line of a file may lack its line end. */
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

/** A basic string. JSON's escapes are TOML's, except for DEL. */
const printString = (text: string): string => JSON.stringify(text).replaceAll("\u007F", "\\u007F")
