/** Sentences for ids and labels that no key or token can have. */
import type { NameNotUsable } from "../token-refusals.ts"

export const explainName = ({ what, reason, longest }: NameNotUsable): string => {
  switch (reason) {
    case "empty":
      return what === "id" ? "ID must not be empty" : "a label must not be empty"
    case "tooLong":
      return `${what === "id" ? "an id" : "a label"} has at most ${longest} bytes`
    case "controlCharacter":
      return "a label has no control characters"
    case "blankAtEnd":
      return "the label of a token cannot begin or end with a blank"
  }
}
