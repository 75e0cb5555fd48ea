/** A row of the failure table, and how all of them are caused. */
import type { Failure } from "../../../src/messages/explain.ts"
import type { Outcome, World } from "./world.ts"

export interface Row {
  readonly tag: Failure["_tag"]
  /** What is wrong, as a person would say it. Unique. */
  readonly failure: string
  /** How this row brings it about. */
  readonly how: string
  readonly cause: (world: World) => Promise<Outcome>
  /** The core of the sentence. */
  readonly says: string | RegExp
  /** The next step; undefined: there is none that would be true for everybody. */
  readonly next?: string | RegExp
  /** 1 unless told. */
  readonly code?: number
  /** It waits long: begun before all others. */
  readonly slow?: true
}

/** Three at a time: most of them wait for a process to start. Slow ones run beside them from the start. */
export const causeAll = async (
  world: World,
  rows: ReadonlyArray<Row>
): Promise<ReadonlyMap<Row, Outcome | { readonly thrown: unknown }>> => {
  const outcomes = new Map<Row, Outcome | { readonly thrown: unknown }>()
  const cause = async (row: Row): Promise<void> => {
    try {
      outcomes.set(row, await row.cause(world))
    } catch (thrown) {
      outcomes.set(row, { thrown })
    }
  }
  const slow = rows.filter((row) => row.slow).map(cause)
  const waiting = rows.filter((row) => !row.slow)
  const worker = async (): Promise<void> => {
    for (let row = waiting.shift(); row !== undefined; row = waiting.shift()) await cause(row)
  }
  await Promise.all([worker(), worker(), worker(), ...slow])
  return outcomes
}

/** What follows `error:` and `hint:`, or the other words by which a sentence is told. */
export const sentenceIn = (stderr: string): { readonly error: string; readonly hint: string } => ({
  error: words.map((word) => word.exec(stderr)?.[1]).find((found) => found !== undefined) ?? "",
  hint: /^hint: (.*(?:\n {2}.*)*)/m.exec(stderr)?.[1] ?? ""
})

const words = [/^error: (.*)$/m, /^warning: (.*)$/m, / (?:ERROR|WARN) (.*)$/m]

/** A table for people, in the test's output. Paths of this run are shortened. */
export const tableText = (rows: ReadonlyArray<readonly [string, string, string, string]>): string => {
  const lines: ReadonlyArray<readonly [string, string, string]> = [
    ["failure", "how it was caused", "sentence -> next step"],
    ...rows.map(([failure, how, error, hint]): readonly [string, string, string] => [
      failure,
      how,
      hint === "" ? error : `${error} -> ${hint}`
    ])
  ]
  const width = (column: 0 | 1) => Math.max(...lines.map((line) => line[column].length))
  return lines
    .map(([failure, how, said]) => `${failure.padEnd(width(0))} | ${how.padEnd(width(1))} | ${short(said)}`)
    .join("\n")
}

const short = (text: string): string =>
  text
    .replaceAll(/\/\S*\/tedge-(?:test|pki)-[^/\s']+/g, "...")
    .replaceAll(/model=\S*?serial=\w+;/g, "...;")
    .replaceAll("\n", " ")
