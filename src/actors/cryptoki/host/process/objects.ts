/** Finds and reads the objects of a token: keys, what is public of them, and certificates. */
import {
  CKA_ALWAYS_AUTHENTICATE,
  CKA_CLASS,
  CKA_DECRYPT,
  CKA_DERIVE,
  CKA_EC_PARAMS,
  CKA_EC_POINT,
  CKA_ID,
  CKA_KEY_TYPE,
  CKA_LABEL,
  CKA_MODULUS,
  CKA_PUBLIC_EXPONENT,
  CKA_PUBLIC_KEY_INFO,
  CKA_SIGN,
  CKA_SIGN_RECOVER,
  CKA_TOKEN,
  CKA_UNWRAP,
  CKA_VALUE,
  CKK_EC,
  CKO_CERTIFICATE,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY
} from "../../pkcs11/pkcs11-constants.ts"
import { type Handle, handleOf, handleText, ModuleFault, type Pkcs11Module } from "../../pkcs11/pkcs11-module.ts"
import {
  CKR_CRYPTOKI_NOT_INITIALIZED,
  CKR_DEVICE_ERROR,
  CKR_DEVICE_REMOVED,
  CKR_TOKEN_NOT_PRESENT,
  faultClass
} from "../../pkcs11/return-codes.ts"
import type { Attribute, PublicKeyMaterial, TokenObject } from "../../pkcs11/values.ts"
import type { HostRequests } from "../protocol.ts"

type Asked<Name extends keyof HostRequests> = HostRequests[Name]["asked"]

type OtherUses = NonNullable<TokenObject["otherUses"]>

export const objects = (module: Pkcs11Module, session: Handle, asked: Asked<"objects">): ReadonlyArray<TokenObject> => {
  const template: Array<Attribute> = [
    { type: CKA_CLASS, value: asked.kind === "private" ? CKO_PRIVATE_KEY : CKO_PUBLIC_KEY },
    { type: CKA_TOKEN, value: true }
  ]
  if (asked.id) template.push({ type: CKA_ID, value: asked.id })
  return module.find(session, template).map((handle) => {
    const described = describe(module, session, handle, asked.kind)
    return asked.uses && asked.kind === "private"
      ? { ...described, otherUses: otherUses(module, session, handle) }
      : described
  })
}

/** An attribute the token does not report is one it does not have. */
const otherUses = (module: Pkcs11Module, session: Handle, handle: Handle): OtherUses =>
  usesByAttribute.flatMap(([type, use]) => (module.attribute(session, handle, type)?.[0] === 1 ? [use] : []))

const usesByAttribute: ReadonlyArray<readonly [number, OtherUses[number]]> = [
  [CKA_DECRYPT, "decrypt"],
  [CKA_UNWRAP, "unwrap"],
  [CKA_SIGN_RECOVER, "sign-recover"],
  [CKA_DERIVE, "derive"]
]

export const findCertificates = (
  module: Pkcs11Module,
  session: Handle,
  { id, label }: Pick<Asked<"certificates">, "id" | "label">
): ReadonlyArray<Handle> => {
  const template: Array<Attribute> = [
    { type: CKA_CLASS, value: CKO_CERTIFICATE },
    { type: CKA_TOKEN, value: true }
  ]
  if (id) template.push({ type: CKA_ID, value: id })
  if (label !== undefined) template.push({ type: CKA_LABEL, value: label })
  return module.find(session, template)
}

export const certificates = (module: Pkcs11Module, session: Handle, asked: Asked<"certificates">) =>
  findCertificates(module, session, asked)
    .slice(0, mostCertificates)
    .flatMap((handle) => attributeIfTold(module, session, handle, CKA_VALUE) ?? [])

/** Of one id. */
const mostCertificates = 8

const describe = (module: Pkcs11Module, session: Handle, handle: Handle, kind: TokenObject["kind"]): TokenObject => {
  const read = (type: number) => attributeIfTold(module, session, handle, type)
  const keyType = numberOf(module.attribute(session, handle, CKA_KEY_TYPE))
  const mine = kind === "private"
  return {
    handle: handleText(handle),
    kind,
    keyType,
    label: Buffer.from(read(CKA_LABEL) ?? []).toString("utf8"),
    id: read(CKA_ID) ?? new Uint8Array(),
    curve: keyType === CKK_EC ? read(CKA_EC_PARAMS) : undefined,
    alwaysAuthenticate: mine && read(CKA_ALWAYS_AUTHENTICATE)?.[0] === 1,
    maySign: mine && read(CKA_SIGN)?.[0] !== 0
  }
}

/**
 * An attribute that an object may lack. Some modules answer a general error for what they do not know: that must not
 * hide the object. A session or token that is gone is another matter.
 */
const attributeIfTold = (
  module: Pkcs11Module,
  session: Handle,
  object: Handle,
  type: number
): Uint8Array | undefined => {
  try {
    return module.attribute(session, object, type)
  } catch (error) {
    if (error instanceof ModuleFault && faultClass(error.code) !== "session" && !gone.has(error.code)) return undefined
    throw error
  }
}

const gone: ReadonlySet<number> = new Set([
  CKR_DEVICE_ERROR,
  CKR_DEVICE_REMOVED,
  CKR_TOKEN_NOT_PRESENT,
  CKR_CRYPTOKI_NOT_INITIALIZED
])

/** CK_ULONG in this machine's byte order (little-endian on all we support). */
const numberOf = (value: Uint8Array | undefined): number =>
  value === undefined || value.length < 4 ? -1 : Buffer.from(value).readUInt32LE(0)

export const check = (module: Pkcs11Module, session: Handle, asked: Asked<"check">): boolean => {
  try {
    module.touchSession(session)
    // Strict, as every object has it: a handle that means nothing any more is refused here.
    module.attribute(session, handleOf(asked.handle), CKA_KEY_TYPE)
    return (
      Buffer.compare(attributeIfTold(module, session, handleOf(asked.handle), CKA_ID) ?? new Uint8Array(), asked.id) ===
      0
    )
  } catch (error) {
    if (error instanceof ModuleFault && faultClass(error.code) === "session") return false
    throw error
  }
}

export const material = (module: Pkcs11Module, session: Handle, object: Handle): PublicKeyMaterial => ({
  curve: attributeIfTold(module, session, object, CKA_EC_PARAMS),
  point: attributeIfTold(module, session, object, CKA_EC_POINT),
  modulus: attributeIfTold(module, session, object, CKA_MODULUS),
  exponent: attributeIfTold(module, session, object, CKA_PUBLIC_EXPONENT),
  publicKeyInfo: attributeIfTold(module, session, object, CKA_PUBLIC_KEY_INFO)
})
