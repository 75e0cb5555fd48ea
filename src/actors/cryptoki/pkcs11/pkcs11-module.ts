/**
 * The only file that uses pkcs11js. Runs in a token host only.
 *
 * Handled pitfalls: after a failed load the next call crashes, so the object is dropped;
 * without CKF_OS_LOCKING_OK parallel signatures crash SoftHSM; a collected object unloads the module, so it is kept
 * for the life of the process and never closed; input buffers are not held by the native job, so we hold them;
 * one unknown attribute fails a whole C_GetAttributeValue, so attributes are read one by one; a small output buffer
 * poisons the session; C_InitToken reads 32 bytes of the label whatever its length.
 */
import type { PKCS11, Template } from "pkcs11js"
import { CKF_HW_SLOT, CKF_OS_LOCKING_OK, CKF_RW_SESSION, CKF_SERIAL_SESSION, labelLength } from "./pkcs11-constants.ts"
import type { Attribute, LibraryFacts, LoadReason, MechanismCandidate, TokenInfo, TracedCall } from "./values.ts"

/** A PKCS#11 function returned something else than CKR_OK. */
export class ModuleFault extends Error {
  override readonly name = "ModuleFault"
  readonly call: string
  readonly code: number
  constructor(call: string, code: number) {
    super(`${call}: ${code}`)
    this.call = call
    this.code = code
  }
}

/** The module could not be loaded. */
export class LoadFault extends Error {
  override readonly name = "LoadFault"
  readonly reason: LoadReason
  constructor(reason: LoadReason, detail: string) {
    super(detail)
    this.reason = reason
  }
}

/** CK_SLOT_ID, CK_SESSION_HANDLE, CK_OBJECT_HANDLE in the native representation. */
export type Handle = Buffer

export type Pkcs11Module = ReturnType<typeof functionsOf>

/** A longer slot list, object list or attribute is truncated or omitted. */
const limits = { slots: 256, objects: 2000, attribute: 8192 }
/** CK_PARAMS_RSA_PSS of pkcs11js: the kind of a mechanism's parameters. */
const pssParameters = 5
/** Larger than any signature; a smaller one may make the session unusable. */
const signatureRoom = 2048
/** For signatures made while nothing else runs. */
const quickOutput = Buffer.alloc(signatureRoom)

/** Loads and initialises a module: `path` must be a shared library. Throws LoadFault, or ModuleFault from C_Initialize. */
export const openModule = async (path: string): Promise<Pkcs11Module> => {
  const library = await loadPkcs11js()
  const native = new library.PKCS11()
  try {
    native.load(path)
  } catch (error) {
    // `native` must not be used again: its next call would crash.
    throw new LoadFault(wordsOf(error).includes("C_GetFunctionList") ? "notAModule" : "other", wordsOf(error))
  }
  calling("C_Initialize", () => native.C_Initialize({ flags: CKF_OS_LOCKING_OK }))
  return functionsOf(native)
}

const functionsOf = (native: PKCS11) => ({
  library: (): LibraryFacts => {
    const info = calling("C_GetInfo", () => native.C_GetInfo())
    return {
      manufacturer: unpadded(info.manufacturerID),
      description: unpadded(info.libraryDescription),
      version: `${info.libraryVersion.major}.${info.libraryVersion.minor}`
    }
  },
  slots: (): ReadonlyArray<Handle> => calling("C_GetSlotList", () => native.C_GetSlotList(true)).slice(0, limits.slots),
  token: (slot: Handle): TokenInfo => {
    const at = calling("C_GetSlotInfo", () => native.C_GetSlotInfo(slot))
    const token = calling("C_GetTokenInfo", () => native.C_GetTokenInfo(slot))
    return {
      slot: handleText(slot),
      slotDescription: unpadded(at.slotDescription),
      slotManufacturer: unpadded(at.manufacturerID),
      label: unpadded(token.label),
      model: unpadded(token.model),
      manufacturer: unpadded(token.manufacturerID),
      serial: unpadded(token.serialNumber),
      flags: token.flags
    }
  },
  mechanisms: (slot: Handle): ReadonlyArray<number> =>
    calling("C_GetMechanismList", () => native.C_GetMechanismList(slot)),
  /** A slot that cannot be queried counts as software. */
  isHardware: (slot: Handle): boolean => {
    try {
      return (native.C_GetSlotInfo(slot).flags & CKF_HW_SLOT) !== 0
    } catch {
      return false
    }
  },
  openSession: (slot: Handle, access: "read" | "write"): Handle =>
    calling("C_OpenSession", () =>
      native.C_OpenSession(slot, CKF_SERIAL_SESSION | (access === "write" ? CKF_RW_SESSION : 0))
    ),
  closeSession: (session: Handle): void => calling("C_CloseSession", () => native.C_CloseSession(session)),
  closeAllSessions: (slot: Handle): void => calling("C_CloseAllSessions", () => native.C_CloseAllSessions(slot)),
  touchSession: (session: Handle): void => {
    calling("C_GetSessionInfo", () => native.C_GetSessionInfo(session))
  },
  login: (session: Handle, user: number, pin: string): void =>
    calling("C_Login", () => native.C_Login(session, user, pin)),
  logout: (session: Handle): void => calling("C_Logout", () => native.C_Logout(session)),
  find: (session: Handle, template: ReadonlyArray<Attribute>) => find(native, session, template),
  /** Undefined: the object does not have it, does not return it, or it is unreasonably long. */
  attribute: (session: Handle, object: Handle, type: number) => {
    const value = unlessAbsent(() =>
      calling("C_GetAttributeValue", () => native.C_GetAttributeValue(session, object, [{ type }]))
    )?.[0]?.value
    return Buffer.isBuffer(value) && value.length <= limits.attribute ? new Uint8Array(value) : undefined
  },
  signInit: (session: Handle, { mechanism, pss }: MechanismCandidate, key: Handle): void => {
    const parameter = pss && { type: pssParameters, hashAlg: pss.hash, mgf: pss.mgf, saltLen: pss.saltLength }
    calling("C_SignInit", () => native.C_SignInit(session, parameter ? { mechanism, parameter } : { mechanism }, key))
  },
  /** In a separate thread. */
  sign: async (session: Handle, input: Uint8Array): Promise<Uint8Array> => {
    const held = Buffer.from(input)
    const output = Buffer.alloc(signatureRoom)
    const signature = await callingAsync("C_Sign", () => native.C_SignAsync(session, held, output))
    // Reading both keeps them alive until the native job is done.
    return held.length === input.length && output.length === signatureRoom ? new Uint8Array(signature) : signature
  },
  /** Synchronously: for calls that take less time than switching to a thread and back. */
  signAtOnce: (session: Handle, input: Uint8Array): Uint8Array => {
    const view = Buffer.from(input.buffer, input.byteOffset, input.byteLength)
    return new Uint8Array(calling("C_Sign", () => native.C_Sign(session, view, quickOutput)))
  },
  generate: async (
    session: Handle,
    mechanism: number,
    of: {
      readonly publicTemplate: ReadonlyArray<Attribute>
      readonly privateTemplate: ReadonlyArray<Attribute>
    }
  ) => {
    const templates = [nativeTemplate(of.publicTemplate), nativeTemplate(of.privateTemplate)] as const
    const pair = await callingAsync("C_GenerateKeyPair", () =>
      native.C_GenerateKeyPairAsync(session, { mechanism }, ...templates)
    )
    return { ...pair, held: templates.length }
  },
  destroy: (session: Handle, object: Handle): void =>
    calling("C_DestroyObject", () => native.C_DestroyObject(session, object)),
  initToken: (slot: Handle, soPin: string, label: string): void => {
    const padding = " ".repeat(Math.max(0, labelLength - Buffer.byteLength(label, "utf8")))
    calling("C_InitToken", () => native.C_InitToken(slot, soPin, label + padding))
  },
  initPin: (session: Handle, pin: string): void => calling("C_InitPIN", () => native.C_InitPIN(session, pin)),
  setPin: (session: Handle, oldPin: string, newPin: string): void =>
    calling("C_SetPIN", () => native.C_SetPIN(session, oldPin, newPin)),
  /** Only when nothing is in flight: it crashes otherwise. */
  finalize: (): void => calling("C_Finalize", () => native.C_Finalize())
})

const find = (native: PKCS11, session: Handle, template: ReadonlyArray<Attribute>): ReadonlyArray<Handle> => {
  calling("C_FindObjectsInit", () => native.C_FindObjectsInit(session, nativeTemplate(template)))
  try {
    const found: Array<Handle> = []
    while (found.length < limits.objects) {
      const next = calling("C_FindObjects", () => native.C_FindObjects(session, 64))
      if (next.length === 0) break
      found.push(...next)
    }
    return found.slice(0, limits.objects)
  } finally {
    calling("C_FindObjectsFinal", () => native.C_FindObjectsFinal(session))
  }
}

/** CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID: the object does not report. */
const unlessAbsent = <A>(read: () => A): A | undefined => {
  try {
    return read()
  } catch (error) {
    if (error instanceof ModuleFault && [17, 18, 19].includes(error.code)) return undefined
    throw error
  }
}

const nativeTemplate = (attributes: ReadonlyArray<Attribute>): Template =>
  attributes.map(({ type, value }) => ({ type, value: value instanceof Uint8Array ? Buffer.from(value) : value }))

export const handleText = (handle: Handle): string =>
  (handle.length === 4 ? BigInt(handle.readUInt32LE()) : handle.readBigUInt64LE()).toString()

export const handleOf = (text: string, size = 8): Handle => {
  const handle = Buffer.alloc(size)
  handle.writeBigUInt64LE(BigInt(text))
  return handle
}

/** CK_TOKEN_INFO's texts are padded with spaces; some modules pad with zeros. */
const unpadded = (text: string): string => text.replace(/[ \0]+$/, "")

const loadPkcs11js = async () => {
  try {
    const { PKCS11 } = (await import("pkcs11js")).default
    return { PKCS11 }
  } catch (error) {
    throw new LoadFault("pkcs11jsMissing", wordsOf(error))
  }
}

const wordsOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n", 1)[0] ?? ""

const calling = <A>(call: string, run: () => A): A => {
  const tell = traced(call)
  try {
    const answer = run()
    tell?.(0)
    return answer
  } catch (error) {
    throw faultOf(call, tell, error)
  }
}

const callingAsync = async <A>(call: string, run: () => Promise<A>): Promise<A> => {
  const tell = traced(call)
  try {
    const answer = await run()
    tell?.(0)
    return answer
  } catch (error) {
    throw faultOf(call, tell, error)
  }
}

/** Reports each call of the module when it returns: name, duration and code, never its data. */
export const traceCalls = (tell: (call: TracedCall) => void, nowMs: () => number): void => {
  trace.to = { tell, nowMs }
}

const trace: { to: { readonly tell: (call: TracedCall) => void; readonly nowMs: () => number } | undefined } = {
  to: undefined
}

const traced = (call: string): ((code: number | undefined) => void) | undefined => {
  if (trace.to === undefined) return undefined
  const { tell, nowMs } = trace.to
  const from = nowMs()
  return (code) => tell({ name: call, tookMs: nowMs() - from, code })
}

/** pkcs11js makes a Pkcs11Error of the native part's `CKR_GENERAL_ERROR:5`, except of those of C_FindObjects. */
const faultOf = (call: string, tell: ReturnType<typeof traced>, error: unknown): unknown => {
  const code = error instanceof Error ? (wrappedCode(error) ?? nativeCode(error)) : undefined
  const fault = code === undefined ? error : new ModuleFault(call, code)
  tell?.(fault instanceof ModuleFault ? fault.code : undefined)
  return fault
}

const wrappedCode = (error: Error): number | undefined =>
  error.name === "Pkcs11Error" && "code" in error && typeof error.code === "number" ? error.code : undefined

const nativeCode = ({ message }: Error): number | undefined => {
  const code = /^CKR_\w+:(\d+)$/.exec(message)?.[1]
  return code === undefined ? undefined : Number(code)
}
