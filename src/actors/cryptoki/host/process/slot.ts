/**
 * The sessions of one slot inside a token host.
 *
 * One session, the login session, holds the login and does what is not a signature. Signatures take sessions of their own,
 * at most `parallelSigns`, reused when idle; one on which a call failed is closed, since an operation may still be
 * open on it. A token that allows a single session signs on the login session, and everything else waits meanwhile.
 * Source: PKCS #11 v2.40, 5.6 (the login ends with the last session; a session does one thing at a time).
 */

import { type Handle, ModuleFault, type Pkcs11Module } from "../../pkcs11/pkcs11-module.ts"
import { CKR_SESSION_COUNT } from "../../pkcs11/return-codes.ts"
import { parallelSigns } from "../protocol.ts"

export interface HostSlot {
  readonly handle: Handle
  /** Whether the module says so of the slot. */
  readonly isHardware: boolean
  /** Runs on the login session, opening it if need be. */
  readonly onLoginSession: <A>(use: (session: Handle) => A) => Promise<A>
  /** Runs on a read-write session of its own, closed afterwards. */
  readonly onWriter: <A>(use: (session: Handle) => Promise<A> | A) => Promise<A>
  /** Runs on one of the sessions for signatures; waits for one if all are busy. */
  readonly onSigner: <A>(use: (session: Handle) => Promise<A>) => Promise<A>
  /** Closes every session, after the running signatures. */
  readonly closeAll: () => Promise<void>
  /** Ends the login, if there is one. Only when nothing is in flight. */
  readonly logOut: () => void
}

interface Signer {
  readonly session: Handle
  /** Rises with closeAll: a session of an earlier age is closed already. */
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

  const keep = (): Handle => {
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
      return { session: keep(), age }
    }
  }
  const take = async (): Promise<Signer> => {
    for (;;) {
      const signer = isClosing ? undefined : (idle.pop() ?? (open < parallelSigns ? openSigner() : undefined))
      if (signer) return signer
      await waitForChange()
    }
  }
  const giveBack = (signer: Signer, sound: boolean) => {
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
      return use(keep())
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
      const signer = await take()
      let sound = false
      try {
        const result = await whileBusy(() => use(signer.session))
        sound = true
        return result
      } finally {
        giveBack(signer, sound)
      }
    },
    closeAll: async () => {
      isClosing = true
      // Closing a session under a running signature crashes modules.
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
        // Not logged in, or a session that is dead: there is no login to end.
      }
    }
  }
}

const closeQuietly = (module: Pkcs11Module, session: Handle): void => {
  try {
    module.closeSession(session)
  } catch {
    // It is given up either way; a dead session is the usual reason.
  }
}
