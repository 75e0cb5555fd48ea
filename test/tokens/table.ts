/** The table of what each token can, as Markdown: a tick, or a dash with a number for the reason below. */
import { afterSigning, beforeSigning } from "./command-behaviours.ts"
import { signingBehaviours } from "./signing-behaviours.ts"
import { type TokenName, tokenNames } from "./tokens.ts"

export const behaviours = [...beforeSigning, ...signingBehaviours, ...afterSigning]

/** `tick`: done; a text: why not; undefined: it was not as declared. */
export type Cell = "tick" | { readonly reason: string } | undefined

/** What the behaviours declare. */
export const declared = (behaviour: string, token: TokenName): Cell =>
  behaviours.find(({ name }) => name === behaviour)?.except?.[token] ?? "tick"

export const printTable = (cell: typeof declared): string => {
  const reasons: Array<string> = []
  const shown = (found: Cell): string => {
    if (found === undefined) return "✗"
    if (found === "tick") return "✓"
    if (!reasons.includes(found.reason)) reasons.push(found.reason)
    return `– (${reasons.indexOf(found.reason) + 1})`
  }
  const line = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`
  const rows = behaviours.map(({ name }) => line([name, ...tokenNames.map((token) => shown(cell(name, token)))]))
  const head = [line(["", ...tokenNames]), line(["---", ...tokenNames.map(() => "---")])]
  const notes = reasons.map((reason, index) => `(${index + 1}) ${reason}`)
  return [...head, ...rows, "", notes.join("; "), ""].join("\n")
}
