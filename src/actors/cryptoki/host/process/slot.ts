/**
 * The sessions of one slot inside a token host, and the signatures made on them.
 *
 * One session, the login session, holds the login and is used for everything but signatures. Signatures use their own
 * sessions, at most `parallelSigns`, reused when idle; one on which a call failed is closed, since an operation may still be
 * open on it. A token that allows a single session signs on the login session, and other requests wait.
 *
 * A key signs synchronously, in turn, or in threads, depending on how long its last signature took. A thread lets other
 * signatures run meanwhile, but switching to it costs more than a quick signature. And hardware does one thing at a time:
 * threads would only wait for each other in the module, and delay the next C_SignInit.
 * Source: PKCS #11 v2.40, 5.6 (the login ends with the last session; a session does one thing at a time).
 */
import { CKU_CONTEXT_SPECIFIC } from "../../pkcs11/pkcs11-constants.ts"
import { type Handle, handleOf, ModuleFault, type Pkcs11Module } from "../../pkcs11/pkcs11-module.ts"
import { CKR_SESSION_COUNT, faultClass } from "../../pkcs11/return-codes.ts"
import type { MechanismCandidate } from "../../pkcs11/values.ts"
import { type HostRequests, parallelSigns } from "../protocol.ts"

export interface HostSlot {
  readonly handle: Handle
  /** Whether the module reports it for the slot. */
  readonly isHardware: boolean
  /** Runs on the login session, opening it if necessary. */
  readonly onLoginSession: <A>(use: (session: Handle) => A) => Promise<A>
  /** Runs on a separate read-write session, closed afterwards. */
  readonly onWriter: <A>(use: (session: Handle) => Promise<A> | A) => Promise<A>
  /** Runs on one of the sessions for signatures; waits for one if all are busy. */
  readonly onSigner: <A>(use: (session: Handle) => Promise<A>) => Promise<A>
  /** Closes every session, after the running signatures. */
  readonly closeAll: () => Promise<void>
  /** Logs out, if logged in. Only when nothing is in flight. */
  readonly logOut: () => void
}

interface Signer {
  readonly session: Handle
  /** Incremented by closeAll: sessions of earlier values are closed already. */
  readonly age: number
}

export const hostSlot = (module: Pkcs11Module, handle: Handle): HostSlot => {
  let loginSession: Handle | undefined
  let idle: Array<Signer> = []
  let open = 0
  /** Native calls running in other threads. */
  let busy = 0
  let isClosing = false
  let age = 0
  const waiting: Array<() => void> = []

  const openLoginSession = (): Handle => {
    loginSession ??= module.openSession(handle, "read")
    return loginSession
  }
  const isLoginSession = ({ session }: Signer) => session === loginSession
  const waitForChange = () => new Promise<void>((resolve) => waiting.push(resolve))
  const wakeAll = () => {
    for (const wake of waiting.splice(0)) wake()
  }
  /** The login session counts as a signer while it signs; it is among the idle ones otherwise. */
  const loginSessionSigns = () => open === 1 && idle.length === 0 && loginSessionInUse
  let loginSessionInUse = false

  const openSigner = (): Signer | undefined => {
    try {
      const signer = { session: module.openSession(handle, "read"), age }
      open += 1
      return signer
    } catch (error) {
      if (!(error instanceof ModuleFault && error.code === CKR_SESSION_COUNT)) throw error
      if (open > 0) return undefined
      open += 1
      loginSessionInUse = true
      return { session: openLoginSession(), age }
    }
  }
  const acquire = async (): Promise<Signer> => {
    for (;;) {
      const signer = isClosing ? undefined : (idle.pop() ?? (open < parallelSigns ? openSigner() : undefined))
      if (signer) return signer
      await waitForChange()
    }
  }
  const release = (signer: Signer, sound: boolean) => {
    if (signer.age === age) {
      if (sound) idle.push(signer)
      else {
        open -= 1
        if (isLoginSession(signer)) loginSession = undefined
        closeQuietly(module, signer.session)
      }
      if (open === 0) loginSessionInUse = false
    }
    wakeAll()
  }
  const whileBusy = async <A>(work: () => Promise<A>): Promise<A> => {
    busy += 1
    try {
      return await work()
    } finally {
      busy -= 1
      wakeAll()
    }
  }
  return {
    handle,
    isHardware: module.isHardware(handle),
    onLoginSession: async (use) => {
      while (loginSessionSigns()) await waitForChange()
      return use(openLoginSession())
    },
    onWriter: (use) =>
      whileBusy(async () => {
        const session = module.openSession(handle, "write")
        try {
          return await use(session)
        } finally {
          closeQuietly(module, session)
        }
      }),
    onSigner: async (use) => {
      const signer = await acquire()
      let sound = false
      try {
        const result = await whileBusy(() => use(signer.session))
        sound = true
        return result
      } finally {
        release(signer, sound)
      }
    },
    closeAll: async () => {
      isClosing = true
      // Closing a session during a signature crashes modules.
      while (busy > 0) await waitForChange()
      isClosing = false
      age += 1
      loginSession = undefined
      loginSessionInUse = false
      idle = []
      open = 0
      wakeAll()
      module.closeAllSessions(handle)
    },
    logOut: () => {
      if (loginSession === undefined) return
      try {
        module.logout(loginSession)
      } catch {
        // Not logged in, or a dead session: no login to end.
      }
    }
  }
}

const closeQuietly = (module: Pkcs11Module, session: Handle): void => {
  try {
    module.closeSession(session)
  } catch {
    // Dropped in any case; usually the session is dead.
  }
}

/** A host's measurements of its signatures. */
export class SignTimes {
  /** By slot and key: duration of the last one that started while no thread was busy, in milliseconds. */
  private readonly last = new Map<string, number>()
  private readonly nowMs: () => number
  private inThreads = 0
  private turn: Promise<void> = Promise.resolve()
  private inARow = 0

  /** Monotonic milliseconds. */
  constructor(nowMs: () => number) {
    this.nowMs = nowMs
  }

  of({ slot, handle }: Asked): number {
    return this.last.get(`${slot} ${handle}`) ?? Number.POSITIVE_INFINITY
  }

  /** Starts measuring; returns the function to call when the signature is done. */
  start({ slot, handle }: Asked): () => number {
    const isAlone = this.inThreads === 0
    const beganAt = this.nowMs()
    return () => {
      const tookMs = this.nowMs() - beganAt
      if (isAlone) this.last.set(`${slot} ${handle}`, tookMs)
      return tookMs
    }
  }

  async inThread<A>(work: () => Promise<A>): Promise<A> {
    this.inThreads += 1
    try {
      return await work()
    } finally {
      this.inThreads -= 1
    }
  }

  /** In turn. The response of the first is sent before the second starts, and after some new requests are read. */
  inTurn<A>(work: () => A): Promise<A> {
    const done = this.turn.then(work)
    const rest = () => {
      this.inARow = (this.inARow + 1) % parallelSigns
      if (this.inARow === 0) return new Promise<void>((resolve) => setImmediate(resolve))
      // Answers are written in a tick of their own, which may have been asked for a moment later than ours.
      return new Promise<void>((resolve) => process.nextTick(() => process.nextTick(resolve)))
    }
    this.turn = done.then(rest, rest)
    return done
  }
}

type Asked = HostRequests["sign"]["asked"]
type Answer = HostRequests["sign"]["answer"]

export const sign = async (
  times: SignTimes,
  module: Pkcs11Module,
  slot: HostSlot,
  session: Handle,
  asked: Asked
): Promise<Answer> => {
  const atOnce = (): Answer => {
    const { mechanismIndex, input } = begin(module, session, asked)
    const made = times.start(asked)
    const signature = module.signAtOnce(session, input)
    return answerOf(signature, mechanismIndex, made())
  }
  const lastMs = times.of(asked)
  if (lastMs < quickMs) return atOnce()
  if (lastMs < briefMs && slot.isHardware) return times.inTurn(atOnce)
  const { mechanismIndex, input } = begin(module, session, asked)
  const made = times.start(asked)
  const signature = await times.inThread(() => module.sign(session, input))
  return answerOf(signature, mechanismIndex, made())
}

const answerOf = (signature: Uint8Array, mechanismIndex: number, tookMs: number): Answer => ({
  signature,
  mechanismIndex,
  isQuick: tookMs < quickMs,
  tookMs
})

interface Begun {
  readonly mechanismIndex: number
  readonly input: Uint8Array
}

/** C_SignInit with the first mechanism that the token takes. */
const begin = (module: Pkcs11Module, session: Handle, asked: Asked): Begun => {
  const key = handleOf(asked.handle)
  for (const [mechanismIndex, mechanism] of asked.mechanisms.entries()) {
    const isLast = mechanismIndex === asked.mechanisms.length - 1
    if (!isTaken(module, session, mechanism, key, isLast)) continue
    if (asked.contextPin !== undefined) module.login(session, CKU_CONTEXT_SPECIFIC, asked.contextPin)
    return { mechanismIndex, input: mechanism.input }
  }
  throw new Error("no mechanism was given")
}

const isTaken = (
  module: Pkcs11Module,
  session: Handle,
  mechanism: MechanismCandidate,
  key: Handle,
  isLast: boolean
) => {
  try {
    module.signInit(session, mechanism, key)
    return true
  } catch (error) {
    if (!isLast && error instanceof ModuleFault && faultClass(error.code) === "mechanism") return false
    throw error
  }
}

/** In between: SoftHSM2 takes 0.1 ms for P-256, 1.5 ms for RSA 2048; hardware takes longer. */
const quickMs = 1
/** Whatever else the host is asked may wait for so long. */
const briefMs = 10
