/**
 * Matches PKCS#11 URIs with tokens and objects.
 *
 * Every attribute present must be equal; one that we cannot compare never matches.
 * Source: RFC 7512, section 2.4.
 */
import type { Pkcs11Uri } from "./pkcs11-uri.ts"

/** From C_GetTokenInfo, C_GetSlotInfo and C_GetInfo, without padding. TokenDescription has these. */
export interface TokenFacts {
  readonly label: string
  readonly model: string
  readonly manufacturer: string
  readonly serial: string
  readonly slot: number
  readonly slotDescription?: string
  readonly slotManufacturer?: string
  readonly libraryManufacturer?: string
  readonly libraryDescription?: string
  readonly libraryVersion?: string
}

/** Whether the URI's token, slot and library attributes allow this token. */
export const matchesToken = (uri: Pkcs11Uri, token: TokenFacts): boolean =>
  (uri.unknown ?? []).length === 0 &&
  agrees(uri.token, token.label) &&
  agrees(uri.model, token.model) &&
  agrees(uri.manufacturer, token.manufacturer) &&
  agrees(uri.serial, token.serial) &&
  agrees(uri.slotId, token.slot) &&
  agrees(uri.slotDescription, token.slotDescription) &&
  agrees(uri.slotManufacturer, token.slotManufacturer) &&
  agrees(uri.libraryManufacturer, token.libraryManufacturer) &&
  agrees(uri.libraryDescription, token.libraryDescription) &&
  agrees(uri.libraryVersion, token.libraryVersion)

/** As `matchesToken`, for a scope; a free slot matches any label, as initialisation gives it its label. */
export const isInScope = (scope: Pkcs11Uri, token: TokenFacts & { readonly initialized: boolean }): boolean =>
  matchesToken(token.initialized ? scope : freeSlot(scope), token)

/** The URI without the label that a free slot does not have, unless `asked` for. */
export const freeSlot = ({ token: _label, ...uri }: Pkcs11Uri, asked: Pkcs11Uri = {}): Pkcs11Uri => ({
  ...uri,
  ...(asked.token !== undefined && { token: asked.token })
})

/** Whether the URI's object attributes allow this object; its token is not compared. */
export const matchesObject = (
  uri: Pkcs11Uri,
  object: {
    readonly kind: NonNullable<Pkcs11Uri["type"]>
    readonly label: string
    readonly id: Uint8Array
  }
): boolean =>
  (uri.unknown ?? []).length === 0 &&
  agrees(uri.type, object.kind) &&
  agrees(uri.object, object.label) &&
  (uri.id === undefined || sameBytes(uri.id, object.id))

/** Whether two URIs name the same thing: all path attributes equal, whatever their queries (RFC 7512, 2.4). */
export const sameTarget = (one: Pkcs11Uri, other: Pkcs11Uri): boolean =>
  pathFields.every((field) => sameAttribute(one[field], other[field])) &&
  sameUnknown(one.unknown ?? [], other.unknown ?? [])

/** Whether the URI has attributes of an object (not only of a token). */
export const namesObject = (uri: Pkcs11Uri): boolean =>
  uri.object !== undefined || uri.id !== undefined || uri.type !== undefined

/** Whether the URI has attributes of a token, slot or library. */
export const namesToken = (uri: Pkcs11Uri): boolean => tokenFields.some((field) => uri[field] !== undefined)

type AttributeValue = Pkcs11Uri[(typeof pathFields)[number]]

/** Equal values, or both absent. */
export const sameAttribute = (one: AttributeValue, other: AttributeValue): boolean =>
  one instanceof Uint8Array && other instanceof Uint8Array ? sameBytes(one, other) : one === other

const agrees = <Value>(wanted: Value | undefined, there: Value | undefined): boolean =>
  wanted === undefined || wanted === there

const sameBytes = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0

type Unknown = NonNullable<Pkcs11Uri["unknown"]>
const sameUnknown = (one: Unknown, other: Unknown): boolean =>
  one.length === other.length && one.every(([name, value]) => other.some(([n, v]) => n === name && v === value))

const tokenFields = [
  "token",
  "manufacturer",
  "serial",
  "model",
  "libraryManufacturer",
  "libraryVersion",
  "libraryDescription",
  "slotManufacturer",
  "slotDescription",
  "slotId"
] as const

/** All known attributes of the path. */
export const pathFields = [...tokenFields, "object", "type", "id"] as const
