/**
 * Reads the credentials of a TLS connection: certificate chain, private key file, trusted certificates.
 *
 * Trusted certificates are a file or a directory; a directory is read recursively, and files that are not certificates are
 * skipped, as in thin-edge. A directory without any certificate is a refusal.
 */
import { createPrivateKey, type KeyObject, type X509Certificate } from "node:crypto"
import { open, readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { Effect } from "effect"
import { CredentialUnusable } from "../../../messages/mqtt.ts"
import { notRegular, withoutWaiting } from "../../../platform/files/read-file.ts"
import { codeOf, fileFault } from "../../../platform/process/error-code.ts"
import { deviceCertificate, pemCertificates } from "../../../platform/tls/device-certificate.ts"
import { readCertificate, type TrustStore, trustStore } from "../../../platform/tls/trust-store.ts"

export interface DeviceCertificates {
  /** The content of the file. */
  readonly pem: string
  readonly certificates: ReadonlyArray<X509Certificate>
  /** Which of them is the device's own. */
  readonly device: X509Certificate
}

export const readCertificateChain = (path: string): Effect.Effect<DeviceCertificates, CredentialUnusable> =>
  Effect.flatMap(readText(path, "certificate"), (pem) => {
    const certificates = pemCertificates(pem).map(readCertificate)
    const known = certificates.filter((one) => one !== undefined)
    // 30 82: a DER sequence longer than 127 bytes, as it looks when read as text.
    if (certificates.length === 0 && pem.startsWith("0\ufffd")) return refuse(path, "certificate", "der", "")
    if (certificates.length === 0) return refuse(path, "certificate", "malformed", "no certificate in it")
    if (known.length < certificates.length) return refuse(path, "certificate", "malformed", "not X.509")
    const device = deviceCertificate(known)
    return device === undefined
      ? refuse(path, "certificate", "ambiguous", "")
      : Effect.succeed({ pem, certificates: known, device })
  })

export const readPrivateKey = (
  path: string
): Effect.Effect<{ readonly pem: string; readonly key: KeyObject }, CredentialUnusable> =>
  Effect.flatMap(readText(path, "key"), (pem) =>
    Effect.try({
      try: () => ({ pem, key: createPrivateKey(pem) }),
      // The library's message may quote the file; a private key must not be in an error message.
      catch: () => unusable(path, "key", "malformed", "no private key, or one with a passphrase")
    })
  )

/** Read at each connection, as the file may have changed; parsed when it has. */
export const readTrusted = (path: string): Effect.Effect<TrustStore, CredentialUnusable> =>
  Effect.gen(function* () {
    const isDirectory = yield* orUnusable(path, "trusted certificates", async () => (await stat(path)).isDirectory())
    const texts = isDirectory
      ? yield* Effect.promise(() => textsBelow(path, deepest))
      : [yield* readText(path, "trusted certificates")]
    const trusted = trustStore(texts)
    if (trusted.certificates.length === 0) return yield* refuse(path, "trusted certificates", "empty", "")
    return trusted
  })

type Role = CredentialUnusable["role"]
type Why = CredentialUnusable["reason"]

const unusable = (path: string, role: Role, reason: Why, detail: string) =>
  new CredentialUnusable({ path, role, reason, detail })

const refuse = (path: string, role: Role, reason: Why, detail: string) =>
  Effect.fail(unusable(path, role, reason, detail))

const readText = (path: string, role: Role): Effect.Effect<string, CredentialUnusable> =>
  Effect.flatMap(
    orUnusable(path, role, () => readBounded(path)),
    (text) =>
      text === undefined
        ? refuse(path, role, "tooLarge", `more than ${largestFile / 1024} KiB`)
        : text.trim() === ""
          ? refuse(path, role, "empty", "")
          : Effect.succeed(text)
  )

/** Undefined: larger than any such file. */
const readBounded = async (path: string): Promise<string | undefined> => {
  const file = await open(path, withoutWaiting)
  try {
    const found = await file.stat()
    if (!found.isFile()) throw notRegular(path, found.isDirectory())
    if (found.size > largestFile) return undefined
    const bytes = Buffer.alloc(found.size + 1)
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = (await file.read(bytes, length, bytes.length - length, null)).bytesRead
    return length > largestFile ? undefined : bytes.toString("utf8", 0, length)
  } finally {
    await file.close()
  }
}

const orUnusable = <A>(path: string, role: Role, read: () => Promise<A>): Effect.Effect<A, CredentialUnusable> =>
  Effect.tryPromise({
    try: read,
    catch: (error) => {
      const code = codeOf(error)
      return unusable(path, role, fileFault(code) ?? "malformed", code)
    }
  })

/** Unreadable or too large files are not trusted certificates. */
const textsBelow = async (directory: string, levels: number): Promise<ReadonlyArray<string>> => {
  const names = await readdir(directory).catch(() => [])
  const texts: Array<string> = []
  for (const name of names.sort()) {
    const path = join(directory, name)
    const found = await stat(path).catch(() => undefined)
    if (found?.isDirectory() && levels > 1) texts.push(...(await textsBelow(path, levels - 1)))
    if (found?.isFile()) texts.push((await readBounded(path).catch(() => undefined)) ?? "")
  }
  return texts
}

const largestFile = 4 * 1024 * 1024

/** Maximum depth of directories; a symlink to its own parent must not loop. */
const deepest = 8
