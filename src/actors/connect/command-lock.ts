/**
 * One command at a time changes the connection to a cloud: what one sets up, the undo of another would take away.
 *
 * Where no lock can be had the command runs all the same, as the mapper does.
 */
import { dirname, join } from "node:path"
import { Effect, type Scope } from "effect"
import { CommandRunning } from "../../messages/connect.ts"
import type { Owner } from "../../platform/file-calls.ts"
import { acquireFileLock } from "../../platform/file-lock.ts"
import { lockOwnerIn } from "../../platform/file-owner.ts"
import { makeDirectories } from "../../platform/given-files.ts"
import { type Connection, instanceName } from "./connection.ts"
import type { ConnectPeers } from "./peers.ts"

/** Nothing of `work` is begun while another process has the lock; it is held until the last undo is done. */
export const alone = <A, E>(
  peers: Pick<ConnectPeers, "show">,
  connection: Connection,
  work: Effect.Effect<A, E>
): Effect.Effect<A, E | CommandRunning> =>
  connection.settings.run.lockFiles ? Effect.scoped(Effect.andThen(takeLock(peers, connection), work)) : work

const takeLock = (
  { show }: Pick<ConnectPeers, "show">,
  connection: Connection
): Effect.Effect<void, CommandRunning, Scope.Scope> => {
  const path = commandLockPath(connection)
  const owner = lockOwnerIn(connection.settings.configDir)
  return Effect.andThen(makeDirectory(dirname(path), owner), acquireFileLock(path, { owner })).pipe(
    Effect.catchTags({
      LockHeld: ({ pid }) =>
        Effect.fail(new CommandRunning({ cloud: connection.cloud.name, profile: connection.profile, pid })),
      LockUnavailable: (failure) => show({ _tag: "Warned", failure })
    })
  )
}

const commandLockPath = (connection: Connection): string =>
  join(connection.settings.run.path, "lock", `tedge-connect-${instanceName(connection)}.lock`)

/** What is wrong with the directory is told by the lock that cannot be taken in it. */
const makeDirectory = (path: string, owner: Owner | undefined): Effect.Effect<void> =>
  Effect.sync(() => {
    try {
      makeDirectories(path, { owner })
    } catch {
      // the lock's refusal says it
    }
  })
