/**
 * PKCS#11 URIs: they name a token or a key.
 *
 * The only place that parses them; `pkcs11-uri-match.ts` compares them with tokens and objects. A PIN is secret:
 * it is printed only on request, and never part of a refusal.
 * Source: RFC 7512, section 2.3 (syntax), 2.4 (comparison).
 */
import { Data, Redacted, Result } from "effect"
import { mayHavePin, withoutPin } from "./shown-text.ts"

/** A parsed URI. Text attributes are decoded UTF-8; an absent attribute matches everything. */
export interface Pkcs11Uri {
  readonly token?: string
  readonly manufacturer?: string
  readonly serial?: string
  readonly model?: string
  readonly libraryManufacturer?: string
  readonly libraryVersion?: string
  readonly libraryDescription?: string
  /** CKA_LABEL. */
  readonly object?: string
  readonly type?: "private" | "public" | "cert" | "secret-key" | "data"
  /** CKA_ID, raw bytes. */
  readonly id?: Uint8Array
  readonly slotManufacturer?: string
  readonly slotDescription?: string
  readonly slotId?: number
  /** Query attributes. */
  readonly pinValue?: Redacted.Redacted<string>
  readonly pinSource?: string
  readonly moduleName?: string
  readonly modulePath?: string
  /** Unknown path attributes, as written; they never widen a match. */
  readonly unknown?: ReadonlyArray<readonly [name: string, value: string]>
  /** Unknown query attributes, as written; the only ones that may repeat. */
  readonly unknownQuery?: ReadonlyArray<readonly [name: string, value: string]>
}

/** The text is not a PKCS#11 URI (RFC 7512). */
export class InvalidPkcs11Uri extends Data.TaggedError("InvalidPkcs11Uri")<{
  /** The text with any PIN redacted. */
  readonly uri: string
  readonly reason:
    | "missing-scheme"
    | "duplicate-attribute"
    | "bad-percent-encoding"
    | "bad-character"
    | "not-utf8"
    | "bad-number"
    | "bad-type"
    | "no-value"
    | "too-long"
  /** The attribute it is about, if any. */
  readonly attribute: string | undefined
}> {}

/** Whether `printPkcs11Uri` omits or writes `pin-value`. */
type PinPrinting = { readonly pin: "redacted" | "shown" }

/** Parses a URI. Never throws; a refusal never contains the PIN. */
export const parsePkcs11Uri = (text: string): Result.Result<Pkcs11Uri, InvalidPkcs11Uri> => {
  const refuse = (reason: InvalidPkcs11Uri["reason"], attribute?: string) =>
    Result.fail(new InvalidPkcs11Uri({ uri: withoutPin(text), reason, attribute }))
  if (text.length > maximalLength) return refuse("too-long")
  if (!/^pkcs11:/i.test(text)) return refuse("missing-scheme")
  const body = text.slice("pkcs11:".length)
  const questionMark = body.indexOf("?")
  const path = questionMark < 0 ? body : body.slice(0, questionMark)
  const query = questionMark < 0 ? "" : body.slice(questionMark + 1)
  const uri: Draft = {}
  for (const [component, written, separator] of [
    ["path", path, ";"],
    ["query", query, "&"]
  ] as const)
    for (const attribute of written.split(separator).filter((part) => part !== "")) {
      const problem = addAttribute(uri, component, attribute)
      // After a PIN, an apparent attribute may be the rest of a PIN with an unescaped "&" or ";" in it.
      const shown = problem?.known === true || !mayHavePin(text) ? problem?.attribute : undefined
      if (problem !== undefined) return refuse(problem.reason, shown)
    }
  return Result.succeed(uri)
}

/** Prints a URI in the order and with the percent-encoding of thin-edge's documents. */
export const printPkcs11Uri = (uri: Pkcs11Uri, printing: PinPrinting): string => {
  const path = pathAttributes.flatMap(([name, field]) => printField(uri, name, field))
  const others = (known: Pkcs11Uri["unknown"]) =>
    (known ?? [])
      .map(([name, value]) => `${name}=${value}`)
      .filter((text) => printing.pin === "shown" || !mayHavePin(text))
  const unknown = others(uri.unknown)
  const query = queryAttributes
    .filter(([name]) => name !== "pin-value" || printing.pin === "shown")
    .flatMap(([name, field]) => printField(uri, name, field))
    .concat(others(uri.unknownQuery))
  const type = printField(uri, "type", "type")
  return `pkcs11:${[...path, ...unknown, ...type].join(";")}${query.length === 0 ? "" : `?${query.join("&")}`}`
}

/** Caches the text of each value: the same few URIs are used again and again. */
export const printedOnce = (print: (uri: Pkcs11Uri) => string): ((uri: Pkcs11Uri) => string) => {
  const printed = new WeakMap<Pkcs11Uri, string>()
  return (uri) => {
    const known = printed.get(uri)
    if (known !== undefined) return known
    const text = print(uri)
    printed.set(uri, text)
    return text
  }
}

/** The URI for display: the PIN redacted. */
export const shownUri = printedOnce((uri) => printPkcs11Uri(uri, { pin: "redacted" }))

type Draft = { -readonly [Field in keyof Pkcs11Uri]: Pkcs11Uri[Field] }
type Field = keyof Pkcs11Uri
type Problem = {
  readonly reason: InvalidPkcs11Uri["reason"]
  readonly attribute: string | undefined
  readonly known: boolean
}

/** Longer than any device needs; bounds what a client of the signing service can make us parse. */
const maximalLength = 4096

/** In printing order; `type` comes after them all. */
const pathAttributes = [
  ["model", "model"],
  ["manufacturer", "manufacturer"],
  ["serial", "serial"],
  ["token", "token"],
  ["slot-manufacturer", "slotManufacturer"],
  ["slot-description", "slotDescription"],
  ["slot-id", "slotId"],
  ["library-manufacturer", "libraryManufacturer"],
  ["library-description", "libraryDescription"],
  ["library-version", "libraryVersion"],
  ["id", "id"],
  ["object", "object"]
] as const satisfies ReadonlyArray<readonly [string, Field]>

const queryAttributes = [
  ["module-name", "moduleName"],
  ["module-path", "modulePath"],
  ["pin-source", "pinSource"],
  ["pin-value", "pinValue"]
] as const satisfies ReadonlyArray<readonly [string, Field]>

const pathFields = new Map<string, Field>([
  ...pathAttributes,
  ["type", "type"],
  // OpenSSL's PKCS#11 engine documents its PIN in the path; kept as an unknown attribute it would be printed.
  ["pin-value", "pinValue"],
  ["pin-source", "pinSource"]
])
const queryFields = new Map<string, Field>(queryAttributes)
const types: ReadonlyArray<string> = ["private", "public", "cert", "secret-key", "data"]
const isType = (text: string): text is NonNullable<Pkcs11Uri["type"]> => types.includes(text)

/**
 * PKCS#11 keeps these in fields of a fixed length, padded with blanks (some modules pad with zeros, and p11tool prints
 * them), so trailing blanks are not part of the value: they are ignored in a URI too (RFC 7512, 2.3).
 */
const paddedFields: ReadonlySet<Field> = new Set([
  "token",
  "manufacturer",
  "serial",
  "model",
  "slotManufacturer",
  "slotDescription",
  "libraryManufacturer",
  "libraryDescription"
])

const name = /^[A-Za-z0-9_-]+$/
/** RFC 7512, 2.3: pk11-pchar and pk11-qchar. */
const characters = {
  path: /^[A-Za-z0-9\-._~:[\]@!$'()*+,=&%]*$/,
  query: /^[A-Za-z0-9\-._~:[\]@!$'()*+,=/?|%]*$/
}

/** Adds one `name=value` to the draft, or returns why it is invalid. */
const addAttribute = (uri: Draft, component: "path" | "query", written: string): Problem | undefined => {
  const equals = written.indexOf("=")
  const attribute = equals < 0 ? written : written.slice(0, equals)
  const fields = component === "path" ? pathFields : queryFields
  // In any case: a PIN under a misspelt name would be kept, and printed, as an unknown attribute.
  const field = fields.get(/^pin-value$/i.test(attribute) ? "pin-value" : attribute)
  const refuse = (reason: Problem["reason"]): Problem => ({ reason, attribute, known: field !== undefined })
  if (!name.test(attribute)) return { reason: "bad-character", attribute: undefined, known: false }
  if (equals < 0) return refuse("no-value")
  const value = written.slice(equals + 1)
  if (!characters[component].test(value)) return refuse("bad-character")
  const bytes = percentDecoded(value)
  if (bytes === undefined) return refuse("bad-percent-encoding")
  if (field === undefined)
    return addUnknown(uri, component, attribute, value) ? undefined : refuse("duplicate-attribute")
  if (uri[field] !== undefined) return refuse("duplicate-attribute")
  const reason = setField(uri, field, bytes)
  return reason === undefined ? undefined : refuse(reason)
}

/** False for a repeated path attribute. RFC 7512 lets only vendor attributes of the query repeat. */
const addUnknown = (uri: Draft, component: "path" | "query", attribute: string, value: string): boolean => {
  if (component === "query") {
    uri.unknownQuery = [...(uri.unknownQuery ?? []), [attribute, value]]
    return true
  }
  if (uri.unknown?.some(([other]) => other === attribute)) return false
  uri.unknown = [...(uri.unknown ?? []), [attribute, value]]
  return true
}

const setField = (uri: Draft, field: Field, bytes: Uint8Array): Problem["reason"] | undefined => {
  if (field === "id") {
    uri.id = bytes
    return undefined
  }
  const text = utf8(bytes)
  if (text === undefined) return "not-utf8"
  if (field === "slotId") {
    if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(Number(text))) return "bad-number"
    uri.slotId = Number(text)
  } else if (field === "type") {
    if (!isType(text)) return "bad-type"
    uri.type = text
  } else if (field === "pinValue") uri.pinValue = Redacted.make(text)
  else if (field !== "unknown" && field !== "unknownQuery") {
    if (field === "libraryVersion" && !/^[0-9]+(\.[0-9]+)?$/.test(text)) return "bad-number"
    uri[field] = paddedFields.has(field) ? text.replace(/[ \0]+$/, "") : text
  }
  return undefined
}

const printField = (uri: Pkcs11Uri, attribute: string, field: Field): ReadonlyArray<string> => {
  const value = uri[field]
  if (value === undefined) return []
  if (value instanceof Uint8Array) return [`${attribute}=${[...value].map(escaped).join("")}`]
  if (Redacted.isRedacted(value)) return [`${attribute}=${percentEncoded(String(Redacted.value(value)))}`]
  if (field === "libraryVersion") return [`${attribute}=${value}`]
  return [`${attribute}=${percentEncoded(String(value))}`]
}

const escaped = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`

const percentEncoded = (text: string): string =>
  text.replace(/[^A-Za-z0-9-]+/g, (part) => [...Buffer.from(part, "utf8")].map(escaped).join(""))

/** Undefined if a percent sign is not followed by two hex digits. */
const percentDecoded = (text: string): Uint8Array | undefined => {
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) return undefined
  const plain = text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Uint8Array.from(Buffer.from(plain, "latin1"))
}

const utf8 = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    // The decoder's only way to report that the bytes are not UTF-8.
    return undefined
  }
}
