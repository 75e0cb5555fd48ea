/**
 * What is passed to PKCS#11 functions and what they answer, as plain values: a library, a token, its objects, attributes.
 *
 * Slot ids and object handles are decimal text, as 64 bits do not fit a number.
 */
import type { OtherKeyUse } from "../../../messages/cryptoki.ts"

export interface LibraryFacts {
  readonly manufacturer: string
  readonly description: string
  readonly version: string
}

/** CK_SLOT_INFO and CK_TOKEN_INFO without their padding. */
export interface TokenInfo {
  readonly slot: string
  readonly slotDescription: string
  readonly slotManufacturer: string
  readonly label: string
  readonly model: string
  readonly manufacturer: string
  readonly serial: string
  /** CK_TOKEN_INFO.flags. */
  readonly flags: number
}

export interface TokenObject {
  readonly handle: string
  readonly kind: "private" | "public"
  /** CKA_KEY_TYPE. */
  readonly keyType: number
  readonly label: string
  readonly id: Uint8Array
  /** CKA_EC_PARAMS of an EC key, DER. */
  readonly curve: Uint8Array | undefined
  /** CKA_ALWAYS_AUTHENTICATE. */
  readonly alwaysAuthenticate: boolean
  /** CKA_SIGN; a token that does not report is believed. */
  readonly maySign: boolean
  /** What a private key may do besides; undefined when it was not asked for. */
  readonly otherUses?: ReadonlyArray<OtherKeyUse> | undefined
}

/** The public half as far as an object reports it. */
export interface PublicKeyMaterial {
  readonly curve: Uint8Array | undefined
  readonly point: Uint8Array | undefined
  readonly modulus: Uint8Array | undefined
  readonly exponent: Uint8Array | undefined
  /** CKA_PUBLIC_KEY_INFO (PKCS#11 2.40): SubjectPublicKeyInfo, DER; unchecked. */
  readonly publicKeyInfo: Uint8Array | undefined
}

/** One mechanism of several that give the same signature: tried only after the one before was refused by C_SignInit. */
export interface MechanismCandidate {
  readonly mechanism: number
  readonly pss: { readonly hash: number; readonly mgf: number; readonly saltLength: number } | undefined
  /** Message or digest, as the mechanism wants it. */
  readonly input: Uint8Array
}

export type Attribute = { readonly type: number; readonly value: Uint8Array | number | boolean | string }

/** A call of the module, for who debugs: no data. `code` undefined: it ended otherwise than with a CK_RV. */
export interface TracedCall {
  /** `C_Login`. */
  readonly name: string
  readonly tookMs: number
  readonly code: number | undefined
}
