/** The rows of a screen. */
import type { State } from "../../../messages/status/verdict.ts"

export type Tone = "plain" | "good" | "bad" | "doubtful" | "label" | "strong"

export interface Part {
  readonly text: string
  readonly tone: Tone
}

export interface Row {
  /** Undefined: a heading. */
  readonly label: string | undefined
  readonly parts: ReadonlyArray<Part>
}

const plain = (text: string): Part => ({ text, tone: "plain" })
export const bad = (text: string): Part => ({ text, tone: "bad" })
export const doubtful = (text: string): Part => ({ text, tone: "doubtful" })

/** Empty if there is no value. */
export const row = (label: string, ...parts: ReadonlyArray<Part | string | undefined>): ReadonlyArray<Row> => {
  const said = parts.flatMap((part) =>
    part === undefined || part === "" ? [] : [typeof part === "string" ? plain(part) : part]
  )
  return said.length === 0 ? [] : [{ label, parts: said }]
}

export const heading = (
  name: string,
  { state, bad: isBad }: { readonly state: State; readonly bad: boolean },
  more: string
): Row => ({
  label: undefined,
  parts: [
    { text: name, tone: "strong" },
    { text: state, tone: ({ up: "good", down: "bad", unknown: "doubtful" } as const)[state] },
    ...(more === "" ? [] : [plain(more)]),
    ...(isBad && state === "up" ? [bad("with faults")] : [])
  ]
})
