/**
 * Whether Effect's CLI rejects a line, for service-line.ts. A bundle of its own, with its own copy of Effect: only plain values
 * are returned.
 */
import { Effect } from "effect"
import type { Program } from "./command-spec.ts"
import type { CommandWords } from "./command-words.ts"
import { type Parsed, parseCommandLine } from "./effect-cli.ts"

export type Refusal = Extract<Parsed, { kind: "refused" }>

/** Undefined: the line is accepted. */
export const refusalOf = (program: Program, words: CommandWords): Promise<Refusal | undefined> =>
  Effect.runPromise(
    Effect.map(parseCommandLine(program, words), (parsed) => (parsed.kind === "refused" ? parsed : undefined))
  )
