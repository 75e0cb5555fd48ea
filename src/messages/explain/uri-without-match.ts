/** What in a URI keeps it from naming anything. */
import { Result } from "effect"
import { parsePkcs11Uri } from "../pkcs11-uri.ts"
import { quoted } from "./explanation.ts"

/** Attributes that keep a URI from matching whatever else it says, in brackets; empty: there is none. */
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
