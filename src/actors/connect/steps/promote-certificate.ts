/**
 * "Validating new certificate": a renewed certificate is stored beside the current one until a connection with it succeeds.
 *
 * Source: thin-edge, tedge connect, pending certificate. Unlike there, no cloud gets an untested certificate.
 */
import { Effect, Result, Schedule } from "effect"
import { type Connected, type ConnectRefusal, FileNotWritten } from "../../../messages/connect.ts"
import type { MqttRefusal, TlsFailed } from "../../../messages/mqtt.ts"
import { retryTriggerOf } from "../../../messages/retry-trigger.ts"
import { replaceFile } from "../../../platform/files/atomic-file.ts"
import { readRegularText } from "../../../platform/files/read-file.ts"
import { holdsPrivateKey, withCertificates } from "../../../platform/tls/pem-blocks.ts"
import type { AskFailed } from "../../../runtime/errors.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"
import type { ValidConnection } from "../cloud-connection.ts"
import { orNotWritten, readIfPresent, removeIfPresent } from "../connect-files.ts"
import { closeQuietly } from "../conversation.ts"
import type { ConnectPeers } from "../peers.ts"
import { cloudTarget } from "../targets.ts"
import { step } from "../transaction.ts"

export const promoteCertificate = (
  peers: ConnectPeers,
  connection: ValidConnection,
  withinMs: number
): Effect.Effect<Connected["newCertificate"], ConnectRefusal> =>
  Effect.gen(function* () {
    const path = connection.settings.cloud.device.certPath
    const { pending } = connection
    if (pending.kind === "none") return "none"
    const trial =
      pending.kind === "usable"
        ? tryCertificate(peers, connection, pending.path, withinMs)
        : Effect.fail(pending.failure)
    const validated = yield* Effect.result(step(peers.show, `Validating new certificate: ${pending.path}`, trial))
    if (Result.isFailure(validated)) {
      yield* peers.show({ _tag: "Noted", note: { _tag: "NewCertificateUnused", path } })
      return "unused"
    }
    const replaced = yield* Effect.result(replaceCertificate(peers.show, path, pending.path))
    if (Result.isFailure(replaced)) {
      // The current one is unchanged, and the device can connect with it.
      yield* peers.show({ _tag: "Warned", failure: replaced.failure })
      yield* peers.show({ _tag: "Noted", note: { _tag: "NewCertificateUnused", path } })
      return "unused"
    }
    yield* peers.show({ _tag: "Noted", note: { _tag: "NewCertificateUsed", path } })
    return "used"
  })

/** A cloud may need a moment to know a certificate it has just signed. All attempts together have `withinMs`. */
const tryCertificate = (
  peers: ConnectPeers,
  connection: ValidConnection,
  pending: string,
  withinMs: number
): Effect.Effect<void, ConnectRefusal> => {
  const { tls, ...target } = cloudTarget(connection)
  const identity = tls?.identity
  if (tls === undefined || identity === undefined || identity.kind === "none") return Effect.void
  // The cloud keeps the device's session with the messages queued for the mapper: none is acknowledged here.
  const withPending = {
    ...target,
    cleanSession: false,
    tls: { ...tls, identity: { ...identity, certPath: pending } }
  }
  return Effect.flatMap(monotonicNow, (startedAt) => {
    // Monotonic: a clock step back does not extend the time.
    const leftMs = Effect.map(monotonicNow, (now) => Math.min(withinMs, withinMs - (now - startedAt)))
    return Effect.flatMap(leftMs, (connectWithinMs) =>
      peers.session.ask("Open", { target: { ...withPending, connectWithinMs } }, { within: "70 seconds" })
    ).pipe(
      Effect.ensuring(closeQuietly(peers)),
      Effect.retry({
        times: 4,
        schedule: Schedule.spaced(pauseMs),
        while: (failure) => (mayPass(failure) ? Effect.map(leftMs, (left) => left > 2 * pauseMs) : false)
      }),
      Effect.asVoid
    )
  })
}

const pauseMs = 2000

/** Whether the same certificate, key and cloud may work a moment later. */
const mayPass = (failure: MqttRefusal | AskFailed): boolean => {
  switch (failure._tag) {
    case "AskTimeout":
    case "PeerDown":
    case "Undeliverable":
    case "BrokerRefused":
      return true
    case "TlsFailed":
      // The cloud's verdict on the certificate; the rest is our verification of the cloud.
      return retryTriggerOf(failure) === "time" || refusedByCloud.includes(failure.reason)
    default:
      return retryTriggerOf(failure) !== "person"
  }
}

const refusedByCloud: ReadonlyArray<TlsFailed["reason"]> = ["certificateRefused", "handshakeRefused"]

/**
 * A symlink is kept, and its target replaced.
 *
 * A file that also contains the private key (`device.cert_path` = `device.key_path`) keeps it: the new certificates and
 * the rest of the current file are written as one file, atomically. Only then the renewed file is removed.
 */
export const replaceCertificate = (
  show: ConnectPeers["show"],
  path: string,
  renewed: string
): Effect.Effect<void, FileNotWritten> =>
  Effect.gen(function* () {
    const present = yield* readIfPresent(path)
    const text = yield* orNotWritten(renewed, () => readRegularText(renewed))
    const keepsKey = present !== undefined && holdsPrivateKey(present)
    const whole = keepsKey ? withCertificates(present, text) : text
    const mode = present === undefined ? 0o644 : "present"
    yield* replaceFile({ path, content: whole, mode, isEdit: keepsKey }).pipe(
      Effect.mapError(({ code }) => new FileNotWritten({ path, code }))
    )
    // Otherwise it would be tried again with the next connection, and replace itself.
    yield* Effect.catch(removeIfPresent(renewed), (failure) => show({ _tag: "Warned", failure }))
  })
