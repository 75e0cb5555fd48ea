/** Sentences for invalid URIs, for attributes of valid ones that match nothing, and for invalid ids and labels. */
import { Result } from "effect"
import { type InvalidPkcs11Uri, parsePkcs11Uri } from "../pkcs11-uri.ts"
import type { NameNotUsable } from "../token-refusals.ts"
import { quoted, type Sentences } from "./explanation.ts"

export const uriSentences = {
  InvalidPkcs11Uri: (failure) => {
    const start = `'${quoted(failure.uri)}' is not a valid PKCS#11 URI`
    const attribute = failure.attribute === undefined ? "" : ` (${quoted(failure.attribute)})`
    switch (failure.reason) {
      case "missing-scheme":
        return {
          error: `missing PKCS #11 URI scheme: '${quoted(failure.uri)}'`,
          hint: "it begins with 'pkcs11:', e.g. pkcs11:token=my-token;object=my-key"
        }
      case "duplicate-attribute":
        return { error: `PKCS#11 URI contains duplicate attribute${attribute}: '${quoted(failure.uri)}'` }
      case "bad-percent-encoding":
        return {
          error: `${start}: a '%' is not followed by two hex digits${attribute}`,
          hint: "write a '%' itself as %25"
        }
      case "bad-character":
        return { error: `${start}: a character must be written as %XX${attribute}` }
      case "not-utf8":
        return { error: `${start}: it is not valid UTF-8${attribute}` }
      case "bad-number":
        return { error: `${start}: a number is expected${attribute}` }
      case "bad-type":
        return { error: `${start}: the type must be private, public, cert, secret-key or data` }
      case "no-value":
        return { error: `${start}: an attribute has no value${attribute}` }
      case "too-long":
        return { error: "the PKCS#11 URI is longer than 4096 characters" }
    }
  }
} satisfies Sentences<InvalidPkcs11Uri>

/** Attributes for which a URI matches nothing, in brackets; empty: none. */
export const whyNoMatch = (text: string): string => {
  const uri = parsePkcs11Uri(text)
  if (Result.isFailure(uri)) return ""
  const { unknown = [], slotId } = uri.success
  const strange = unknown.map(([name]) => `'${quoted(name)}'`).join(", ")
  const parts = [
    ...(strange === "" ? [] : [`no token or key has the attribute ${strange}, which PKCS#11 URIs do not have`]),
    ...(slotId === undefined
      ? []
      : ["slot numbers change when tokens are added or removed: name the token by token or serial instead of slot-id"])
  ]
  return parts.length === 0 ? "" : ` (${parts.join("; ")})`
}

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
