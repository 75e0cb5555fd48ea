/**
 * Arguments and results of PKCS#11 functions as plain values: a library, a token, its objects, attributes.
 *
 * Slot ids and object handles are decimal text, as 64 bits do not fit a number.
 */
import type { OtherKeyUse } from "../../../messages/cryptoki.ts"
import type { ModuleNotLoaded } from "../../../messages/token-refusals.ts"

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

/** Why a module cannot be loaded. */
export type LoadReason = ModuleNotLoaded["reason"]

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
  /** CKA_SIGN; assumed if a token does not report it. */
  readonly maySign: boolean
  /** Other permitted uses of a private key; undefined: not requested. */
  readonly otherUses?: ReadonlyArray<OtherKeyUse> | undefined
}

/** The public key as far as an object reports it. */
export interface PublicKeyMaterial {
  readonly curve: Uint8Array | undefined
  readonly point: Uint8Array | undefined
  readonly modulus: Uint8Array | undefined
  readonly exponent: Uint8Array | undefined
  /** CKA_PUBLIC_KEY_INFO (PKCS#11 2.40): SubjectPublicKeyInfo, DER; unchecked. */
  readonly publicKeyInfo: Uint8Array | undefined
}

/** One mechanism of several for the same signature: tried only after C_SignInit has refused the one before. */
export interface MechanismCandidate {
  readonly mechanism: number
  readonly pss: { readonly hash: number; readonly mgf: number; readonly saltLength: number } | undefined
  /** Message or digest, depending on the mechanism. */
  readonly input: Uint8Array
}

export type Attribute = { readonly type: number; readonly value: Uint8Array | number | boolean | string }

/** A call of the module, for debugging: no data. `code` undefined: it ended without a CK_RV. */
export interface TracedCall {
  /** `C_Login`. */
  readonly name: string
  readonly tookMs: number
  readonly code: number | undefined
}
