/**
 * Validates ids and labels, from the command line and over the socket.
 *
 * A label is used in URIs, log lines and the tables of other programs; some modules treat it as a C string.
 */
import { NameNotUsable } from "./token-refusals.ts"

const longestId = 255
const longestKeyLabel = 255
/** PKCS#11 keeps a token's label in a field of this length. */
const longestTokenLabel = 32

/** Undefined: valid. */
export const keyIdProblem = (id: Uint8Array): NameNotUsable | undefined => {
  if (id.length === 0) return new NameNotUsable({ what: "id", reason: "empty", longest: longestId })
  return id.length > longestId ? new NameNotUsable({ what: "id", reason: "tooLong", longest: longestId }) : undefined
}

/** A key may have no label. */
export const keyLabelProblem = (label: string): NameNotUsable | undefined => labelProblem(label, longestKeyLabel)

/** A token pads its label with blanks, so a label with trailing blanks could not be named. */
export const tokenLabelProblem = (label: string): NameNotUsable | undefined => {
  const refused = (reason: NameNotUsable["reason"]) =>
    new NameNotUsable({ what: "label", reason, longest: longestTokenLabel })
  if (label.trim() === "") return refused("empty")
  return label.trim() === label ? labelProblem(label, longestTokenLabel) : refused("blankAtEnd")
}

const labelProblem = (label: string, longest: number): NameNotUsable | undefined => {
  if (/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u.test(label))
    return new NameNotUsable({ what: "label", reason: "controlCharacter", longest })
  return Buffer.byteLength(label, "utf8") > longest
    ? new NameNotUsable({ what: "label", reason: "tooLong", longest })
    : undefined
}
