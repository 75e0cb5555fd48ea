/**
 * One command at a time changes the connection to a cloud: otherwise the rollback of one could undo the work of another.
 * Commands for several clouds run in parallel, and lock what they share.
 *
 * If no lock is available the command runs nevertheless, as the mapper does.
 */
import { dirname, join } from "node:path"
import { Effect, Schedule, type Scope } from "effect"
import { CommandRunning } from "../../messages/connect.ts"
import { instanceName } from "../../messages/installation/bridge-service.ts"
import type { Owner } from "../../platform/files/file-calls.ts"
import { acquireFileLock } from "../../platform/files/file-lock.ts"
import { makeDirectories } from "../../platform/files/given-files.ts"
import { lockOwnerIn } from "../../platform/users/file-owner.ts"
import type { CloudConnection } from "./cloud-connection.ts"
import type { ConnectPeers } from "./peers.ts"

/** Starts no part of `work` while another process has the lock; held until the last rollback is done. */
export const alone = <A, E>(
  peers: Pick<ConnectPeers, "show">,
  connection: CloudConnection,
  work: Effect.Effect<A, E>
): Effect.Effect<A, E | CommandRunning> =>
  connection.settings.run.lockFiles ? Effect.scoped(Effect.andThen(takeLock(peers, connection), work)) : work

/**
 * Shared by commands for several clouds: tedge-mosquitto.conf, the broker, its restart. Waits, as another
 * command finishes within seconds.
 */
export const withBroker = <A, E>(
  peers: Pick<ConnectPeers, "show">,
  connection: CloudConnection,
  work: Effect.Effect<A, E>
): Effect.Effect<A, E | CommandRunning> =>
  connection.settings.run.lockFiles
    ? Effect.scoped(Effect.andThen(waitForTurn(lockTaken(peers, connection, "tedge-connect-broker.lock")), work))
    : work

const waitForTurn = <R>(taken: Effect.Effect<void, CommandRunning, R>): Effect.Effect<void, CommandRunning, R> =>
  Effect.retry(taken, { schedule: Schedule.spaced("100 millis"), times: longestTurnMs / 100 }).pipe(
    Effect.mapError(({ cloud, profile, pid }) => new CommandRunning({ cloud, profile, pid, shares: "broker" }))
  )

/** A restart of mosquitto, and waiting until it listens, may take this long. */
const longestTurnMs = 150_000

const takeLock = (peers: Pick<ConnectPeers, "show">, connection: CloudConnection) =>
  lockTaken(peers, connection, `tedge-connect-${instanceName(connection.cloud.name, connection.profile)}.lock`)

const lockTaken = (
  { show }: Pick<ConnectPeers, "show">,
  connection: CloudConnection,
  name: string
): Effect.Effect<void, CommandRunning, Scope.Scope> => {
  const path = join(connection.settings.run.path, "lock", name)
  const owner = lockOwnerIn(connection.settings.configDir)
  return Effect.andThen(makeDirectory(dirname(path), owner), acquireFileLock(path, { owner })).pipe(
    Effect.catchTags({
      LockHeld: ({ pid }) =>
        Effect.fail(new CommandRunning({ cloud: connection.cloud.name, profile: connection.profile, pid })),
      LockUnavailable: (failure) => show({ _tag: "Warned", failure })
    })
  )
}

/** A wrong directory is reported by the lock that cannot be taken in it. */
const makeDirectory = (path: string, owner: Owner | undefined): Effect.Effect<void> =>
  Effect.sync(() => {
    try {
      makeDirectories(path, { owner })
    } catch {
      // the lock's refusal says it
    }
  })
