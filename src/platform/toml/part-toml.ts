/**
 * Makes documents of their own of parts of a TOML document. Comments go with what they stand beside.
 *
 * Where lines cannot do it, a part is printed from its values; what stays is never printed anew.
 */
import { isDeepStrictEqual } from "node:util"
import { type Assign, type Parted, partedLines } from "./parted-lines.ts"
import { editToml, parseToml, plainToml, printToml, type TomlTree } from "./toml-file.ts"

export type TomlParted = (Parted & { readonly kind: "parted" }) | { readonly kind: "refused"; readonly detail: string }

export const partToml = async (text: string, assign: Assign): Promise<TomlParted> => {
  const parsed = parseToml(text)
  if (parsed.kind === "malformed") return { kind: "refused", detail: parsed.reason }
  const wanted = partedTree(parsed.tree, assign)
  if (wanted === undefined) return { kind: "refused", detail: "a value stands where a table is needed" }
  const lines = partedLines(text, assign)
  if (lines !== undefined && isAs(lines.rest, wanted.rest) && areAs(lines.parts, wanted.parts))
    return { kind: "parted", ...lines }
  const edits = wanted.gone.map((at) => ({ at, value: undefined }))
  const rest = await editToml(text, edits)
  if (rest.kind === "refused") return rest
  const parts = new Map([...wanted.parts].map(([to, tree]) => [to, printToml(tree)]))
  return { kind: "parted", rest: rest.text, parts }
}

interface PartedTree {
  readonly rest: TomlTree
  readonly parts: ReadonlyMap<string, TomlTree>
  /** The highest paths of which nothing stays. */
  readonly gone: ReadonlyArray<ReadonlyArray<string>>
}

/** Undefined: what stands where a table goes is none. */
const partedTree = (tree: TomlTree, assign: Assign): PartedTree | undefined => {
  let isTorn = false
  const parts = new Map<string, MutableTree>()
  const gone: Array<ReadonlyArray<string>> = []
  const walk = (table: TomlTree, above: ReadonlyArray<string>, isGone: boolean): MutableTree => {
    const rest: MutableTree = {}
    for (const [key, value] of Object.entries(table)) {
      const path = [...above, key]
      const goes = assign(path)
      if (goes !== undefined && !isGone) gone.push(path)
      if (isTree(value)) {
        if (goes?.to !== undefined) tableAt(parts, goes.to, goes.at)
        const left = walk(value, path, isGone || goes !== undefined)
        if (goes === undefined) rest[key] = left
      } else if (goes === undefined) rest[key] = value
      else {
        const name = goes.at.at(-1)
        if (goes.to === undefined || name === undefined) isTorn = true
        else tableAt(parts, goes.to, goes.at.slice(0, -1))[name] = value
      }
    }
    return rest
  }
  const rest = walk(tree, [], false)
  return isTorn ? undefined : { rest, parts, gone }
}

interface MutableTree {
  [key: string]: unknown
}

const tableAt = (parts: Map<string, MutableTree>, to: string, at: ReadonlyArray<string>): MutableTree => {
  let table = parts.get(to) ?? {}
  parts.set(to, table)
  for (const key of at) {
    const next = isTree(table[key]) ? table[key] : {}
    table[key] = next
    table = next
  }
  return table
}

const isAs = (text: string, tree: TomlTree): boolean => {
  const parsed = parseToml(text)
  return parsed.kind === "tree" && isDeepStrictEqual(plainToml(parsed.tree), plainToml(tree))
}

/** A table that is only there because of others in it makes no document. */
const areAs = (texts: ReadonlyMap<string, string>, trees: ReadonlyMap<string, TomlTree>): boolean =>
  [...new Set([...texts.keys(), ...trees.keys()])].every((to) => isAs(texts.get(to) ?? "", trees.get(to) ?? {}))

const isTree = (value: unknown): value is MutableTree =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)
