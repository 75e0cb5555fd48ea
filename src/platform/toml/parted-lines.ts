/**
 * Cuts tables out of a TOML document, with their comments, and makes documents of their own of them.
 *
 * Works on lines: what stays, stays byte for byte. Inline tables that would have to be cut open are not reached. The
 * results are checked by part-toml.ts.
 */
import { printKey } from "./toml-lines.ts"
import { type TomlStatement, tomlStatements } from "./toml-statements.ts"

/** Where what stands at a path goes. */
export interface Destination {
  /** A document of its own; undefined: a table that only holds others, of which nothing is left. */
  readonly to: string | undefined
  /** The path there. */
  readonly at: ReadonlyArray<string>
}

/** Undefined: it stays. What is below a path that goes goes too, to the same document or to another one. */
export type Assign = (path: ReadonlyArray<string>) => Destination | undefined

export interface Parted {
  readonly rest: string
  readonly parts: ReadonlyMap<string, string>
}

/** Undefined: lines cannot do it. */
export const partedLines = (text: string, assign: Assign): Parted | undefined => {
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
    // The comments of a table of which nothing is left stay.
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

/** What stands under `[table]` itself comes first in the document made of it. */
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

/** `attached`: the comment lines right above a header belong to it. */
const commentsAbove = (trivia: string): { readonly above: string; readonly attached: string } => {
  const attached = /(?:^|(?<=\n))(?:[ \t]*#[^\n]*\n)+$/.exec(trivia)?.[0] ?? ""
  return { above: trivia.slice(0, trivia.length - attached.length), attached }
}

/** Without the part of the name that went; of `[table]` itself only a comment behind it is left. */
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
