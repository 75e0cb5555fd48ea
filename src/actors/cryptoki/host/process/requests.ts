/** Does what a token host is asked. Keeps the loaded module and the sessions of its slots, and decides nothing. */
import type { OtherKeyUse } from "../../../../messages/cryptoki.ts"
import { LoadFault } from "../../pkcs11/library-file.ts"
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
  CKO_PUBLIC_KEY,
  CKU_SO,
  CKU_USER
} from "../../pkcs11/pkcs11-constants.ts"
import {
  type Handle,
  handleOf,
  handleText,
  ModuleFault,
  openModule,
  type Pkcs11Module
} from "../../pkcs11/pkcs11-module.ts"
import {
  CKR_CRYPTOKI_NOT_INITIALIZED,
  CKR_DEVICE_ERROR,
  CKR_DEVICE_REMOVED,
  CKR_TOKEN_NOT_PRESENT,
  CKR_USER_ALREADY_LOGGED_IN,
  faultClass
} from "../../pkcs11/return-codes.ts"
import type { Attribute, PublicKeyMaterial, TokenInfo, TokenObject } from "../../pkcs11/values.ts"
import type { HostRefusal, HostReply, HostRequest, HostRequests } from "../protocol.ts"
import { type SignTimes, sign } from "./sign.ts"
import { type HostSlot, hostSlot } from "./slot.ts"

/** The state of one host process. */
export interface HostState {
  /** It was to be another user, and is not: no module is loaded as root. */
  readonly userProblem: string | undefined
  module: Pkcs11Module | undefined
  readonly slots: Map<string, HostSlot>
  readonly signTimes: SignTimes
}

type Asked<Name extends keyof HostRequests> = HostRequests[Name]["asked"]

/** Never throws: what went wrong is in the reply. */
export const reply = async (state: HostState, request: HostRequest): Promise<HostReply> => {
  try {
    return { call: request.call, answer: await answer(state, request) }
  } catch (error) {
    return { call: request.call, refusal: refusalOf(error) }
  }
}

const answer = async (state: HostState, request: HostRequest): Promise<unknown> => {
  if (request.name === "load") {
    if (state.userProblem !== undefined) throw new LoadFault("notItsUser", state.userProblem)
    state.module = await openModule(request.asked.path)
    return state.module.library()
  }
  const module = state.module
  if (module === undefined) throw new Error("no module is loaded")
  if (request.name === "tokens") return module.slots().flatMap((slot) => presentToken(module, slot))
  const slot = slotOf(state, module, request.asked.slot)
  switch (request.name) {
    case "open":
      await slot.onLoginSession(() => undefined)
      return module.token(slot.handle)
    case "login":
      return slot.onLoginSession((session) => login(module, session, request.asked.pin))
    case "close":
      await slot.closeAll()
      return null
    case "objects":
      return slot.onLoginSession((session) => objects(module, session, request.asked))
    case "exists":
      return slot.onLoginSession(
        (session) => module.find(session, [{ type: CKA_ID, value: request.asked.id }]).length > 0
      )
    case "hasCertificate":
      return slot.onLoginSession((session) => findCertificates(module, session, request.asked).length > 0)
    case "certificates":
      return slot.onLoginSession((session) => certificates(module, session, request.asked))
    case "check":
      return slot.onLoginSession((session) => check(module, session, request.asked))
    case "material":
      return slot.onLoginSession((session) => material(module, session, handleOf(request.asked.handle)))
    case "sign":
      return slot.onSigner((session) => sign(state.signTimes, module, slot, session, request.asked))
    case "mechanisms":
      return module.mechanisms(slot.handle)
    case "generate":
      return slot.onWriter((session) => generate(module, session, request.asked))
    case "destroy":
      return slot.onWriter((session) => {
        for (const handle of request.asked.handles) module.destroy(session, handleOf(handle))
        return null
      })
    case "initToken":
      return initToken(module, slot, request.asked)
    case "setPin":
      return slot.onWriter((session) => {
        module.setPin(session, request.asked.oldPin, request.asked.newPin)
        return null
      })
    case "resetPin":
      await slot.closeAll()
      return slot.onWriter((session) => setPinBySo(module, session, request.asked.soPin, request.asked.newPin))
  }
}

const slotOf = (state: HostState, module: Pkcs11Module, id: string): HostSlot => {
  const known = state.slots.get(id)
  if (known) return known
  const slot = hostSlot(module, handleOf(id))
  state.slots.set(id, slot)
  return slot
}

/** One slot whose token cannot be read must not hide the others. */
const presentToken = (module: Pkcs11Module, slot: Handle): ReadonlyArray<TokenInfo> => {
  try {
    return [module.token(slot)]
  } catch (error) {
    if (error instanceof ModuleFault) return []
    throw error
  }
}

/**
 * False: the module reports an existing login, also after a logout. The logout is there
 * because otherwise this PIN would never have been looked at.
 */
const login = (module: Pkcs11Module, session: Handle, pin: string): boolean => {
  const isLoggedIn = (): boolean => {
    try {
      module.login(session, CKU_USER, pin)
      return true
    } catch (error) {
      if (error instanceof ModuleFault && error.code === CKR_USER_ALREADY_LOGGED_IN) return false
      throw error
    }
  }
  if (isLoggedIn()) return true
  try {
    module.logout(session)
  } catch (error) {
    // A module that contradicts itself, or cannot log out, is asked once more all the same.
    if (!(error instanceof ModuleFault)) throw error
  }
  return isLoggedIn()
}

const objects = (module: Pkcs11Module, session: Handle, asked: Asked<"objects">): ReadonlyArray<TokenObject> => {
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
const otherUses = (module: Pkcs11Module, session: Handle, handle: Handle): ReadonlyArray<OtherKeyUse> =>
  usesByAttribute.flatMap(([type, use]) => (module.attribute(session, handle, type)?.[0] === 1 ? [use] : []))

const usesByAttribute: ReadonlyArray<readonly [number, OtherKeyUse]> = [
  [CKA_DECRYPT, "decrypt"],
  [CKA_UNWRAP, "unwrap"],
  [CKA_SIGN_RECOVER, "sign-recover"],
  [CKA_DERIVE, "derive"]
]

const findCertificates = (
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

const certificates = (module: Pkcs11Module, session: Handle, asked: Asked<"certificates">) =>
  findCertificates(module, session, asked)
    .slice(0, mostCertificates)
    .flatMap((handle) => told(module, session, handle, CKA_VALUE) ?? [])

/** Of one id. */
const mostCertificates = 8

const describe = (module: Pkcs11Module, session: Handle, handle: Handle, kind: TokenObject["kind"]): TokenObject => {
  const read = (type: number) => told(module, session, handle, type)
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
const told = (module: Pkcs11Module, session: Handle, object: Handle, type: number): Uint8Array | undefined => {
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

const check = (module: Pkcs11Module, session: Handle, asked: Asked<"check">): boolean => {
  try {
    module.touchSession(session)
    // Strict, as every object has it: a handle that means nothing any more is refused here.
    module.attribute(session, handleOf(asked.handle), CKA_KEY_TYPE)
    return Buffer.compare(told(module, session, handleOf(asked.handle), CKA_ID) ?? new Uint8Array(), asked.id) === 0
  } catch (error) {
    if (error instanceof ModuleFault && faultClass(error.code) === "session") return false
    throw error
  }
}

const material = (module: Pkcs11Module, session: Handle, object: Handle): PublicKeyMaterial => ({
  curve: told(module, session, object, CKA_EC_PARAMS),
  point: told(module, session, object, CKA_EC_POINT),
  modulus: told(module, session, object, CKA_MODULUS),
  exponent: told(module, session, object, CKA_PUBLIC_EXPONENT),
  publicKeyInfo: told(module, session, object, CKA_PUBLIC_KEY_INFO)
})

const generate = async (module: Pkcs11Module, session: Handle, asked: Asked<"generate">) => {
  const { publicKey } = await module.generate(session, asked.mechanism, asked)
  return material(module, session, publicKey)
}

const initToken = async (module: Pkcs11Module, slot: HostSlot, asked: Asked<"initToken">): Promise<TokenInfo> => {
  module.initToken(slot.handle, asked.soPin, asked.label)
  await slot.onWriter((session) => setPinBySo(module, session, asked.soPin, asked.pin))
  return module.token(slot.handle)
}

const setPinBySo = (module: Pkcs11Module, session: Handle, soPin: string, pin: string): null => {
  module.login(session, CKU_SO, soPin)
  try {
    module.initPin(session, pin)
  } finally {
    module.logout(session)
  }
  return null
}

export const refusalOf = (error: unknown): HostRefusal => {
  if (error instanceof ModuleFault) return { kind: "code", call: error.call, code: error.code }
  if (error instanceof LoadFault) return { kind: "load", reason: error.reason, detail: error.message }
  return { kind: "defect", detail: error instanceof Error ? error.message : String(error) }
}
