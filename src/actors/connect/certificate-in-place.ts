/**
 * Replaces the current certificate by a renewed one. A symlink is kept, and its target replaced.
 *
 * A file that also contains the private key (`device.cert_path` = `device.key_path`) keeps it: the new certificates and
 * the rest of the current file are written as one file, atomically. Only then the renewed file is removed.
 */
import { Effect } from "effect"
import { FileNotWritten } from "../../messages/connect.ts"
import { replaceFile } from "../../platform/files/atomic-file.ts"
import { readRegularText } from "../../platform/files/read-file.ts"
import { holdsPrivateKey, withCertificates } from "../../platform/tls/pem-blocks.ts"
import { orNotWritten, readIfPresent, removeIfPresent } from "./connect-files.ts"
import type { ConnectPeers } from "./peers.ts"

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
