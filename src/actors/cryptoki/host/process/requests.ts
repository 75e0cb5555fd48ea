/** Executes the requests of a token host. Holds the loaded module and the sessions of its slots, and makes no decisions. */
import { CKA_ID, CKU_SO, CKU_USER } from "../../pkcs11/pkcs11-constants.ts"
import {
  type Handle,
  handleOf,
  LoadFault,
  ModuleFault,
  openModule,
  type Pkcs11Module
} from "../../pkcs11/pkcs11-module.ts"
import { CKR_USER_ALREADY_LOGGED_IN } from "../../pkcs11/return-codes.ts"
import type { TokenInfo } from "../../pkcs11/values.ts"
import type { HostRefusal, HostReply, HostRequest, HostRequests } from "../protocol.ts"
import { certificates, check, findCertificates, material, objects } from "./objects.ts"
import { type HostSlot, hostSlot, type SignTimes, sign } from "./slot.ts"

/** The state of one host process. */
export interface HostState {
  /** Why the module must not be loaded; undefined: it may. */
  readonly loadFault: (asked: Asked<"load">) => LoadFault | undefined
  module: Pkcs11Module | undefined
  readonly slots: Map<string, HostSlot>
  readonly signTimes: SignTimes
}

type Asked<Name extends keyof HostRequests> = HostRequests[Name]["asked"]

/** Never throws: errors are in the reply. */
export const reply = async (state: HostState, request: HostRequest): Promise<HostReply> => {
  try {
    return { call: request.call, answer: await answer(state, request) }
  } catch (error) {
    return { call: request.call, refusal: refusalOf(error) }
  }
}

const answer = async (state: HostState, request: HostRequest): Promise<unknown> => {
  if (request.name === "load") {
    const fault = state.loadFault(request.asked)
    if (fault !== undefined) throw fault
    state.module = await openModule(request.asked.path)
    return state.module.library()
  }
  const module = state.module
  if (module === undefined) throw new Error("no module is loaded")
  if (request.name === "tokens") return module.slots().flatMap((slot) => presentToken(module, slot))
  const { slot: id } = request.asked
  const known = state.slots.get(id)
  const slot = known ?? hostSlot(module, handleOf(id))
  if (known === undefined) state.slots.set(id, slot)
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

/** A slot whose token cannot be read must not hide the others. */
const presentToken = (module: Pkcs11Module, slot: Handle): ReadonlyArray<TokenInfo> => {
  try {
    return [module.token(slot)]
  } catch (error) {
    if (error instanceof ModuleFault) return []
    throw error
  }
}

/**
 * False: the module reports an existing login, even after a logout. Logs out first,
 * because otherwise this PIN would never have been checked.
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
    // A module that contradicts itself, or cannot log out, is called once more.
    if (!(error instanceof ModuleFault)) throw error
  }
  return isLoggedIn()
}

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

const refusalOf = (error: unknown): HostRefusal => {
  if (error instanceof ModuleFault) return { kind: "code", call: error.call, code: error.code }
  if (error instanceof LoadFault) return { kind: "load", reason: error.reason, detail: error.message }
  return { kind: "defect", detail: error instanceof Error ? error.message : String(error) }
}
