/** docs/observing.md has every name of what a service's socket answers. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { SchemaAST } from "effect"
import { describe, expect, it } from "vitest"
import { StatusEvent } from "../../src/messages/status/event.ts"
import { Snapshot } from "../../src/messages/status/snapshot.ts"

const page = readFileSync(join(import.meta.dirname, "../../docs/observing.md"), "utf8")
const named = new Set([...page.matchAll(/`([^`\n]+)`/g)].map(([, name]) => name))

/** Names of fields, and the values of those that have a few. */
const wordsOf = (ast: SchemaAST.AST): ReadonlyArray<string> => {
  switch (ast._tag) {
    case "Objects":
      return ast.propertySignatures.flatMap(({ name, type }) => [String(name), ...wordsOf(type)])
    case "Arrays":
      return [...ast.elements, ...ast.rest].flatMap(wordsOf)
    case "Union":
      return ast.types.flatMap(wordsOf)
    case "Literal":
      return typeof ast.literal === "string" ? [ast.literal] : []
    default:
      return []
  }
}

describe("docs/observing.md", () => {
  it.each([
    ["snapshot", Snapshot.ast],
    ["event", StatusEvent.ast]
  ] as const)("has every field of the %s, and every value that a field of few values has", (_, ast) => {
    const words = [...new Set(wordsOf(ast))]
    expect(words.length).toBeGreaterThan(15)
    expect(words.filter((word) => !named.has(word))).toEqual([])
  })
})
