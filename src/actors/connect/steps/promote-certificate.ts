/**
 * "Validating new certificate": a renewed certificate waits beside the present one until a connection with it succeeds.
 *
 * Source: thin-edge, tedge connect, pending certificate. Unlike there, no cloud gets an untested certificate.
 */
import { existsSync, renameSync } from "node:fs"
import { Effect, Result, Schedule } from "effect"
import { type Connected, type ConnectRefusal, FileNotWritten } from "../../../messages/connect.ts"
import type { ValidConnection } from "../connection.ts"
import { closeQuietly } from "../conversation.ts"
import type { ConnectPeers } from "../peers.ts"
import { cloudTarget } from "../targets.ts"
import { step } from "../transaction.ts"

export const promoteCertificate = (
  peers: ConnectPeers,
  connection: ValidConnection
): Effect.Effect<Connected["newCertificate"], ConnectRefusal> =>
  Effect.gen(function* () {
    const path = connection.settings.cloud.device.certPath
    const pending = pendingPath(path)
    if (!hasPendingCertificate(connection)) return "none"
    const validated = yield* Effect.result(
      step(peers.show, `Validating new certificate: ${pending}`, tryCertificate(peers, connection, pending))
    )
    if (Result.isFailure(validated)) {
      yield* peers.show({ _tag: "Noted", note: { _tag: "NewCertificateUnused", path } })
      return "unused"
    }
    yield* replace(path, pending)
    yield* peers.show({ _tag: "Noted", note: { _tag: "NewCertificateUsed", path } })
    return "used"
  })

export const hasPendingCertificate = ({ auth, settings }: ValidConnection): boolean =>
  auth.kind === "certificate" && existsSync(pendingPath(settings.cloud.device.certPath))

/** Where a renewed certificate waits. */
export const pendingPath = (certPath: string): string => `${certPath}.new`

/** A cloud may need a moment to know a certificate it has just signed. */
const tryCertificate = (
  peers: ConnectPeers,
  connection: ValidConnection,
  pending: string
): Effect.Effect<void, ConnectRefusal> => {
  const { tls, ...target } = cloudTarget(connection)
  const identity = tls?.identity
  if (tls === undefined || identity === undefined || identity.kind === "none") return Effect.void
  const withPending = { ...target, tls: { ...tls, identity: { ...identity, certPath: pending } } }
  return peers.session
    .ask("Open", { target: withPending }, { within: "70 seconds" })
    .pipe(
      Effect.ensuring(closeQuietly(peers)),
      Effect.retry({ times: 4, schedule: Schedule.spaced("2 seconds") }),
      Effect.asVoid
    )
}

const replace = (path: string, pending: string): Effect.Effect<void, FileNotWritten> =>
  Effect.try({
    try: () => renameSync(pending, path),
    catch: (error) =>
      new FileNotWritten({ path, code: error instanceof Error && "code" in error ? String(error.code) : String(error) })
  })
