/** The device's identity: the common name of its certificate. Loads node:crypto only when called. */
import { closeSync, constants, openSync, readSync } from "node:fs"
import type { IdProblem } from "../../messages/settings/resolved-settings.ts"
import { controlCharacterIn } from "../../messages/shown-text.ts"
import { codeOf, messageOf } from "../../platform/process/error-code.ts"
import { commonNameOf, deviceCertificate, pemCertificates } from "../../platform/tls/device-certificate.ts"

export const readCommonName = (certPath: string): { readonly name: string } | { readonly problem: IdProblem } => {
  const problem = (reason: IdProblem["reason"], detail: string) => ({ problem: { certPath, reason, detail } })
  const file = readStart(certPath)
  if (typeof file === "string") return problem(file === "ENOENT" ? "missing" : "unreadable", file)
  try {
    // Not a static import: reading other settings should not load OpenSSL's bindings.
    const { X509Certificate } = process.getBuiltinModule("node:crypto")
    const blocks = pemCertificates(file.toString("latin1"))
    const certificates = (blocks.length === 0 ? [file] : blocks).map((der) => new X509Certificate(der))
    const device = deviceCertificate(certificates)
    if (device === undefined) return problem("ambiguous", "")
    const name = commonNameOf(device)
    if (name === undefined) return problem("no-common-name", "")
    const character = controlCharacterIn(name)
    return character === undefined ? { name } : problem("control-character", character)
  } catch (error) {
    return problem("malformed", messageOf(error))
  }
}

/** The bytes, or an error code. A longer file is refused where it is used. */
const readStart = (path: string): Buffer | string => {
  let file: number | undefined
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const bytes = Buffer.allocUnsafe(maxBytes)
    let length = 0
    for (let read = -1; read !== 0 && length < maxBytes; length += read)
      read = readSync(file, bytes, length, maxBytes - length, null)
    return bytes.subarray(0, length)
  } catch (error) {
    return codeOf(error)
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

const maxBytes = 4 * 1024 * 1024
