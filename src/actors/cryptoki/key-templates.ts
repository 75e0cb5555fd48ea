/**
 * What a token is asked for when it makes a key pair: never extractable, for signing only.
 *
 * Tokens disagree on templates. SoftHSM2 and TPMs refuse curve parameters in the private one, some secure elements
 * (Microchip) want them there.
 */
import type { KeyParameters } from "../../messages/cryptoki.ts"
import { p256, p384 } from "./ec-curve.ts"
import type { HostAttribute } from "./host-protocol.ts"
import {
  CKA_EC_PARAMS,
  CKA_EXTRACTABLE,
  CKA_ID,
  CKA_LABEL,
  CKA_MODULUS_BITS,
  CKA_PRIVATE,
  CKA_PUBLIC_EXPONENT,
  CKA_SENSITIVE,
  CKA_SIGN,
  CKA_TOKEN,
  CKA_VERIFY,
  CKM_EC_KEY_PAIR_GEN,
  CKM_RSA_PKCS_KEY_PAIR_GEN
} from "./pkcs11-constants.ts"

export interface KeyTemplates {
  readonly mechanism: number
  readonly publicTemplate: ReadonlyArray<HostAttribute>
  readonly privateTemplate: ReadonlyArray<HostAttribute>
}

export const keyTemplates = (
  parameters: KeyParameters,
  names: { readonly id: Uint8Array; readonly label: string },
  kind: "usual" | "alternative"
): KeyTemplates => {
  const common: ReadonlyArray<HostAttribute> = [
    { type: CKA_TOKEN, value: true },
    { type: CKA_LABEL, value: names.label },
    { type: CKA_ID, value: names.id }
  ]
  const publicTemplate = [...common, { type: CKA_VERIFY, value: true }]
  const privateTemplate = [
    ...common,
    { type: CKA_PRIVATE, value: true },
    { type: CKA_SENSITIVE, value: true },
    { type: CKA_EXTRACTABLE, value: false },
    { type: CKA_SIGN, value: true }
  ]
  if (parameters.type === "ecdsa") {
    const curve = { type: CKA_EC_PARAMS, value: (parameters.curve === "p256" ? p256 : p384).oid }
    return {
      mechanism: CKM_EC_KEY_PAIR_GEN,
      publicTemplate: [...publicTemplate, curve],
      privateTemplate: kind === "usual" ? privateTemplate : [...privateTemplate, curve]
    }
  }
  const exponent = { type: CKA_PUBLIC_EXPONENT, value: Uint8Array.of(1, 0, 1) }
  const size = { type: CKA_MODULUS_BITS, value: parameters.bits }
  return {
    mechanism: CKM_RSA_PKCS_KEY_PAIR_GEN,
    publicTemplate: kind === "usual" ? [...publicTemplate, size, exponent] : [...publicTemplate, size],
    privateTemplate
  }
}
