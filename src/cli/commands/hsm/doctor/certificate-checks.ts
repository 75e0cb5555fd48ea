/** The checks of `tedge hsm doctor` about the device certificate: readable, matches the key, valid, complete chain. */
import type { KeyObject, X509Certificate } from "node:crypto"
import { Effect } from "effect"
import { readCertificateChain } from "../../../../actors/mqtt/dial/credentials.ts"
import { spkiOf } from "../../../../actors/mqtt/dial/key-signer.ts"
import { CertificateNotValid } from "../../../../messages/connect.ts"
import { KeyMismatch } from "../../../../messages/mqtt.ts"
import { dateNow } from "../../../../runtime/primitives/wall-time.ts"
import type { Examination } from "./examination.ts"

export const certificateChecks = (
  examination: Examination,
  certPath: string,
  key: TokenKey | undefined
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const found = yield* examination.check(
      "certificate",
      readCertificateChain(certPath),
      ({ certificates }) => `${certPath}, ${certificates.length} in the file`
    )
    if (found === undefined) return
    const { device: leaf, certificates } = found
    if (key !== undefined)
      yield* examination.check("certificate is for the key", ofKey(leaf, key, certPath), (words) => words)
    const now = yield* dateNow
    yield* examination.check("certificate is valid", validityCheck(leaf, certPath, now), () => `until ${leaf.validTo}`)
    yield* chain(examination, leaf, certificates)
  })

/** The configured key; if the certificate is for another key, the key a connection would use instead. */
export interface TokenKey {
  readonly publicKey: KeyObject
  readonly named: { readonly uri: string; readonly setting: string }
  /** Undefined: not on the token. */
  readonly findCertified: (publicKey: Uint8Array) => Effect.Effect<string | undefined>
}

/** During a key change the settings name the new key, and the device connects with the certificate's key. */
const ofKey = (leaf: X509Certificate, key: TokenKey, certPath: string): Effect.Effect<string, KeyMismatch> =>
  Effect.gen(function* () {
    if (leaf.publicKey.equals(key.publicKey)) return "yes"
    const used = yield* key.findCertified(new Uint8Array(spkiOf(leaf)))
    if (used === undefined) return yield* new KeyMismatch({ certPath, key: "of the token" })
    return `yes, '${used}', which connections use; ${key.named.setting} names another key, '${key.named.uri}', whose certificate is not in use yet`
  })

const validityCheck = (leaf: X509Certificate, path: string, now: Date): Effect.Effect<void, CertificateNotValid> => {
  const from = new Date(leaf.validFrom)
  const to = new Date(leaf.validTo)
  if (now < from) return Effect.fail(new CertificateNotValid({ path, reason: "notYetValid", at: from.toISOString() }))
  if (now > to) return Effect.fail(new CertificateNotValid({ path, reason: "expired", at: to.toISOString() }))
  return Effect.void
}

/** The chain in the file starts at the leaf; the cloud must know the issuer of its last certificate. */
const chain = (examination: Examination, leaf: X509Certificate, certificates: ReadonlyArray<X509Certificate>) => {
  const path = [leaf]
  for (let next = issuerOf(leaf, certificates, path); next !== undefined; ) {
    path.push(next)
    next = issuerOf(next, certificates, path)
  }
  const stray = certificates.length - path.length
  const top = path.at(-1) ?? leaf
  const root =
    top.issuer === top.subject ? "up to a root" : `the cloud must know '${top.issuer.replaceAll("\n", ", ")}'`
  return stray === 0
    ? examination.pass("certificate chain", `${path.length} certificate(s), ${root}`)
    : examination.fail("certificate chain", {
        error: `${stray} certificate(s) in the file do not belong to the chain of the device certificate`,
        hint: "keep the device certificate and its issuers, in this order"
      })
}

const issuerOf = (of: X509Certificate, among: ReadonlyArray<X509Certificate>, taken: ReadonlyArray<X509Certificate>) =>
  among.find((one) => !taken.includes(one) && of.checkIssued(one) && of.verify(one.publicKey))
