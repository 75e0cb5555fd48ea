/**
 * Moves parts of a TOML document into documents of their own, with the comments attached to them.
 *
 * If that is impossible by lines, a part is printed from its values; the rest keeps its text.
 */
import { isDeepStrictEqual } from "node:util"
import { editToml, printKey } from "./toml-edit.ts"
import { isTomlTable, parseToml, plainToml, printToml, type TomlTree } from "./toml-file.ts"
import { type TomlStatement, tomlStatements } from "./toml-statements.ts"

/** The destination of what is at a path. */
interface Destination {
  /** The document; undefined: a table that only contains others, and becomes empty. */
  readonly to: string | undefined
  /** Its path there. */
  readonly at: ReadonlyArray<string>
}

/** Undefined: it stays. What is below a moved path moves too, to the same document or to another one. */
export type Assign = (path: ReadonlyArray<string>) => Destination | undefined

interface Parted {
  readonly rest: string
  readonly parts: ReadonlyMap<string, string>
}

type TomlParted =
  | (Parted & { readonly kind: "parted" })
  /** `at`: of what stands in the way. */
  | { readonly kind: "refused"; readonly detail: string; readonly at?: ReadonlyArray<string> }

export const partToml = (text: string, assign: Assign): TomlParted => {
  const parsed = parseToml(text)
  if (parsed.kind === "malformed") return { kind: "refused", detail: parsed.reason }
  const wanted = partedTree(parsed.tree, assign)
  if (Array.isArray(wanted)) return { kind: "refused", detail: "a value stands where a table is needed", at: wanted }
  const lines = partedLines(text, assign)
  if (lines !== undefined && isAs(lines.rest, wanted.rest) && areAs(lines.parts, wanted.parts))
    return { kind: "parted", ...lines }
  const edits = wanted.gone.map((at) => ({ at, value: undefined }))
  const rest = editToml(text, edits)
  if (rest.kind === "refused") return rest
  const parts = new Map([...wanted.parts].map(([to, tree]) => [to, printToml(tree)]))
  return { kind: "parted", rest: rest.text, parts }
}

interface PartedTree {
  readonly rest: TomlTree
  readonly parts: ReadonlyMap<string, TomlTree>
  /** The highest paths that become empty. */
  readonly gone: ReadonlyArray<ReadonlyArray<string>>
}

/** The path of what is not a table where one is expected. */
const partedTree = (tree: TomlTree, assign: Assign): PartedTree | string[] => {
  let torn: string[] | undefined
  const parts = new Map<string, MutableTree>()
  const gone: Array<ReadonlyArray<string>> = []
  const walk = (table: TomlTree, above: ReadonlyArray<string>, isGone: boolean): MutableTree => {
    const rest: MutableTree = {}
    for (const [key, value] of Object.entries(table)) {
      const path = [...above, key]
      const goes = assign(path)
      if (goes !== undefined && !isGone) gone.push(path)
      if (isTomlTable(value)) {
        if (goes?.to !== undefined) tableAt(parts, goes.to, goes.at)
        const left = walk(value, path, isGone || goes !== undefined)
        if (goes === undefined) rest[key] = left
      } else if (goes === undefined) rest[key] = value
      else {
        const name = goes.at.at(-1)
        if (goes.to === undefined || name === undefined) torn ??= path
        else tableAt(parts, goes.to, goes.at.slice(0, -1))[name] = value
      }
    }
    return rest
  }
  const rest = walk(tree, [], false)
  return torn ?? { rest, parts, gone }
}

interface MutableTree {
  [key: string]: unknown
}

const tableAt = (parts: Map<string, MutableTree>, to: string, at: ReadonlyArray<string>): MutableTree => {
  let table = parts.get(to) ?? {}
  parts.set(to, table)
  for (const key of at) {
    const next = isTomlTable(table[key]) ? table[key] : {}
    table[key] = next
    table = next
  }
  return table
}

const isAs = (text: string, tree: TomlTree): boolean => {
  const parsed = parseToml(text)
  return parsed.kind === "tree" && isDeepStrictEqual(plainToml(parsed.tree), plainToml(tree))
}

/** Except empty tables: one that was moved completely, by dotted keys, has no line of its own. */
const areAs = (texts: ReadonlyMap<string, string>, trees: ReadonlyMap<string, TomlTree>): boolean =>
  [...new Set([...texts.keys(), ...trees.keys()])].every((to) => {
    const parsed = parseToml(texts.get(to) ?? "")
    return (
      parsed.kind === "tree" &&
      isDeepStrictEqual(plainToml(withoutEmptyTables(parsed.tree)), plainToml(withoutEmptyTables(trees.get(to) ?? {})))
    )
  })

const withoutEmptyTables = (tree: TomlTree): TomlTree =>
  Object.fromEntries(
    Object.entries(tree).flatMap(([key, value]) => {
      if (!isTomlTable(value)) return [[key, value]]
      const left = withoutEmptyTables(value)
      return Object.keys(left).length === 0 ? [] : [[key, left]]
    })
  )

/**
 * Cuts tables out by lines: the rest stays byte for byte. Undefined: an inline table would have to be split.
 */
const partedLines = (text: string, assign: Assign): Parted | undefined => {
  const parts = new Map<string, Part>()
  const partOf = (to: string): Part => {
    const part = parts.get(to) ?? { top: "", tables: "" }
    parts.set(to, part)
    return part
  }
  let rest = ""
  const stays: Section = {
    to: undefined,
    write: (piece) => {
      rest += piece
    }
  }
  let section = stays
  let end = 0
  for (const statement of tomlStatements(text)) {
    const before = text.slice(end, statement.start)
    const body = text.slice(statement.start, statement.end)
    const goes = assign(statement.path)
    end = statement.end
    if (statement.kind === "key") {
      if (goes?.at.length === 0 || (goes !== undefined && goes.to === undefined)) return undefined
      if (goes?.to === section.to) section.write(before + body)
      else if (goes === undefined) return undefined
      else partOf(`${goes.to}`).top += before + renamedKey(text, statement, goes)
      continue
    }
    const { above, attached } = commentsAbove(before)
    section.write(above)
    section = goes === undefined ? stays : sectionFor(goes, partOf)
    const header = goes === undefined ? body : renamedHeader(body, goes, statement.kind)
    // The comments of a table that becomes empty stay.
    if (goes !== undefined && goes.to === undefined) rest += attached
    else section.write(attached + header)
  }
  rest += text.slice(end)
  return { rest, parts: new Map([...parts].map(([to, part]) => [to, whole(part)])) }
}

interface Part {
  top: string
  tables: string
}

interface Section {
  readonly to: string | undefined
  readonly write: (piece: string) => void
}

/** The content of `[table]` itself comes first in its new document. */
const sectionFor = ({ to, at }: Destination, partOf: (to: string) => Part): Section => {
  if (to === undefined) return { to, write: () => undefined }
  const part = partOf(to)
  const place = at.length === 0 ? "top" : "tables"
  return {
    to,
    write: (piece) => {
      part[place] += piece
    }
  }
}

const whole = ({ top, tables }: Part): string => {
  const first = top.replace(/^(?:[ \t]*\r?\n)+/, "")
  if (first === "" || tables === "") return first + tables.replace(/^(?:[ \t]*\r?\n)+/, "")
  return `${first.replace(/\s*$/, "\n\n")}${tables.replace(/^(?:[ \t]*\r?\n)+/, "")}`
}

/** `attached`: the comment lines directly above a header belong to it. */
const commentsAbove = (trivia: string): { readonly above: string; readonly attached: string } => {
  const attached = /(?:^|(?<=\n))(?:[ \t]*#[^\n]*\n)+$/.exec(trivia)?.[0] ?? ""
  return { above: trivia.slice(0, trivia.length - attached.length), attached }
}

/** Without the moved part of the name; of `[table]` itself only a comment behind it is left. */
const renamedHeader = (body: string, { at }: Destination, kind: TomlStatement["kind"]): string => {
  const behind = /\][ \t]*((?:#[^\n]*)?\r?\n?)$/.exec(body)?.[1] ?? "\n"
  if (at.length === 0) return behind.trim() === "" ? "" : behind
  const name = printKey(at)
  const header = kind === "arrayOfTables" ? `[[${name}]]` : `[${name}]`
  return `${header}${behind.startsWith("#") ? " " : ""}${behind}`
}

const renamedKey = (text: string, { start, valueStart, end }: TomlStatement, { at }: Destination): string => {
  const indent = /^[ \t]*/.exec(text.slice(start, valueStart))?.[0] ?? ""
  return `${indent}${printKey(at)} = ${text.slice(valueStart, end)}`
}
