/**
 * Forgets the refused PINs of a token because a person says so.
 *
 * The records are files that all processes of the device share, so this works beside tedge-p11-server too: the next
 * request it gets finds no record. What it cannot do is reported, never taken for done.
 */
import { accessSync, constants, existsSync } from "node:fs"
import { Effect } from "effect"
import { LatchNotCleared, type LoginDelayed } from "../../../messages/token-refusals.ts"
import type { LatchStore } from "./latch-store.ts"
import { type LatchedToken, ofSecurityOfficer } from "./latched-token.ts"
import { underLock } from "./pin-latch.ts"

/** Answers whether there was anything to forget, for the user PIN or the SO PIN. */
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

/** As `clearLatch`, where a directory that is not there means that the records lie elsewhere. */
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

/** There, and not for this user to look into or to change. */
const isClosed = (directory: string): boolean => {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK)
    return false
  } catch {
    return existsSync(directory)
  }
}
