/**
 * The attributes of a key pair that a token generates: never extractable, for signing only.
 *
 * Tokens disagree on templates. SoftHSM2 and TPMs refuse curve parameters in the private one, some secure elements
 * (Microchip) require them there. A token without an attribute for an unsupported use may refuse a template with that attribute
 * set to false; `hsm list-keys` shows the permitted uses of a key.
 */
import type { KeyParameters } from "../../../messages/cryptoki.ts"
import { p256, p384 } from "./ec-curve.ts"
import {
  CKA_DECRYPT,
  CKA_DERIVE,
  CKA_EC_PARAMS,
  CKA_ENCRYPT,
  CKA_EXTRACTABLE,
  CKA_ID,
  CKA_LABEL,
  CKA_MODULUS_BITS,
  CKA_PRIVATE,
  CKA_PUBLIC_EXPONENT,
  CKA_SENSITIVE,
  CKA_SIGN,
  CKA_SIGN_RECOVER,
  CKA_TOKEN,
  CKA_UNWRAP,
  CKA_VERIFY,
  CKA_VERIFY_RECOVER,
  CKA_WRAP,
  CKM_EC_KEY_PAIR_GEN,
  CKM_RSA_PKCS_KEY_PAIR_GEN
} from "./pkcs11-constants.ts"
import type { Attribute } from "./values.ts"

export interface KeyTemplates {
  readonly mechanism: number
  readonly publicTemplate: ReadonlyArray<Attribute>
  readonly privateTemplate: ReadonlyArray<Attribute>
}

/** Templates in order: the next one is tried after the token has refused one for its attributes. */
export const restrictedTemplates = (parameters: KeyParameters, names: KeyNames): ReadonlyArray<KeyTemplates> => [
  ...bothKinds(parameters, names, { publicHalf, privateHalf }),
  // The private key matters more: uses of the public one need no token.
  ...bothKinds(parameters, names, { publicHalf: [], privateHalf })
]

/** For a token that accepts none of those: it chooses the permitted uses of the key. */
export const openTemplates = (parameters: KeyParameters, names: KeyNames): ReadonlyArray<KeyTemplates> =>
  bothKinds(parameters, names, { publicHalf: [], privateHalf: [] })

interface KeyNames {
  readonly id: Uint8Array
  readonly label: string
}

const bothKinds = (parameters: KeyParameters, names: KeyNames, restriction: Restriction) => [
  templatesOf(parameters, names, restriction, "usual"),
  templatesOf(parameters, names, restriction, "alternative")
]

interface Restriction {
  readonly publicHalf: ReadonlyArray<Attribute>
  readonly privateHalf: ReadonlyArray<Attribute>
}

const templatesOf = (
  parameters: KeyParameters,
  names: KeyNames,
  restriction: Restriction,
  kind: "usual" | "alternative"
): KeyTemplates => {
  const common: ReadonlyArray<Attribute> = [
    { type: CKA_TOKEN, value: true },
    { type: CKA_LABEL, value: names.label },
    { type: CKA_ID, value: names.id }
  ]
  const publicTemplate = [...common, { type: CKA_VERIFY, value: true }, ...restriction.publicHalf]
  const privateTemplate = [
    ...common,
    { type: CKA_PRIVATE, value: true },
    { type: CKA_SENSITIVE, value: true },
    { type: CKA_EXTRACTABLE, value: false },
    { type: CKA_SIGN, value: true },
    ...restriction.privateHalf
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

const denied = (...types: ReadonlyArray<number>): ReadonlyArray<Attribute> =>
  types.map((type) => ({ type, value: false }))

/** PKCS #11 v2.40, 4.8 and 4.9: the default of each is the token's choice, and SoftHSM2 chooses true. */
const privateHalf = denied(CKA_DECRYPT, CKA_UNWRAP, CKA_SIGN_RECOVER, CKA_DERIVE)
const publicHalf = denied(CKA_ENCRYPT, CKA_WRAP, CKA_VERIFY_RECOVER, CKA_DERIVE)
