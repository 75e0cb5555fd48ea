/**
 * Clears the refused PINs of a token on a person's command.
 *
 * The records are files shared by all processes of the device, so this works beside tedge-p11-server too: its next
 * request finds no record. Failures are reported.
 */
import { accessSync, constants, existsSync } from "node:fs"
import { Effect } from "effect"
import { LatchNotCleared, type LoginDelayed } from "../../../messages/token-refusals.ts"
import type { LatchStore } from "./latch-store.ts"
import { type LatchedToken, ofSecurityOfficer } from "./latched-token.ts"
import { underLock } from "./pin-latch.ts"

/** Returns whether there was a record, for the user PIN or the SO PIN. */
export const clearLatch = (
  store: LatchStore,
  directory: string,
  token: LatchedToken
): Effect.Effect<boolean, LoginDelayed | LatchNotCleared> =>
  Effect.gen(function* () {
    if (isClosed(directory)) return yield* notCleared(token, directory, "noPermission")
    const found = yield* Effect.forEach([token, ofSecurityOfficer(token)], (one) => forget(store, directory, one))
    return found.includes(true)
  })

/** As `clearLatch`; a missing directory means that the records are elsewhere. */
export const clearLatchOfService = (store: LatchStore, directory: string, token: LatchedToken) =>
  Effect.suspend(() =>
    existsSync(directory) ? clearLatch(store, directory, token) : notCleared(token, directory, "noDirectory")
  )

const forget = (store: LatchStore, directory: string, token: LatchedToken) =>
  underLock(
    store,
    token,
    Effect.gen(function* () {
      let found = false
      for (const part of ["record", "clients"] as const) {
        if ((yield* store.read(token.identity, part)) === undefined) continue
        found = true
        if (!(yield* store.remove(token.identity, part))) return yield* notCleared(token, directory, "noPermission")
      }
      return found
    })
  )

const notCleared = ({ name, uri }: LatchedToken, directory: string, reason: LatchNotCleared["reason"]) =>
  Effect.fail(new LatchNotCleared({ token: name, uri, directory, reason }))

/** It exists, but this user may not read or change it. */
const isClosed = (directory: string): boolean => {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK)
    return false
  } catch {
    return existsSync(directory)
  }
}
