/**
 * TLS clients of Node: the only place that creates them, with the same rules as the add-on (native/tls).
 *
 * The rules are those of rustls, which thin-edge uses: names from subjectAltName only, current key sizes and signature
 * algorithms, TLS 1.2 only with forward secrecy and AEAD, no CA certificate as server certificate. Only the given
 * certificates are trusted; no environment variable changes that.
 * Sources: RFC 9525; rustls 0.23 and webpki 0.102, features and limitations; RFC 9325, section 4.2.
 */
import { constants, createHash, type KeyObject, type X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import { isIP } from "node:net"
import type { Duplex } from "node:stream"
import * as tls from "node:tls"
import { type ConnectionOptions, connect, type PeerCertificate, type TLSSocket } from "node:tls"
import { readCertificate, type TrustStore, trustStore } from "./trust-store.ts"

interface ServerIdentity {
  /** DNS name or IP address that the certificate must match. */
  readonly host: string
  /** The only trusted certificates. */
  readonly trusted: TrustStore
}

interface NodeTlsTarget extends ServerIdentity {
  /** A connected stream. */
  readonly socket: Duplex
  readonly identity?: NodeTlsIdentity
  /** From a "session" event of an earlier connection with the same binding. Node itself would accept any. */
  readonly session?: Buffer
}

/** PEM. */
interface NodeTlsIdentity {
  readonly key?: string
  readonly cert?: string
}

/** Binding of a session, which is resumed without checking the certificates. */
export const nodeSessionBinding = (
  settings: ServerIdentity & { readonly port: number; readonly identity: NodeTlsIdentity }
): Buffer => {
  const { host, port, trusted, identity } = settings
  return createHash("sha256")
    .update(JSON.stringify([host, port, trusted.fingerprint(), identity.cert, identity.key]))
    .digest()
}

/** Throws if OpenSSL rejects key or certificates. */
export const connectNodeTls = ({ socket, identity, session, ...server }: NodeTlsTarget): TLSSocket =>
  open(server, { ...identity, socket, ...(session && { session }) })

/** Node's default trust, `NODE_EXTRA_CA_CERTS` included, for programs that name none. */
export const nodeTrusted = (): TrustStore => {
  defaults.trusted ??= trustStore(getCACertificates === undefined ? bundledAndExtra() : getCACertificates("default"))
  return defaults.trusted
}

const defaults: { trusted?: TrustStore } = {}

/** Since Node 22.15. Not in the types of Node 20. */
const getCACertificates = (tls as { getCACertificates?: (kind: "default") => ReadonlyArray<string> }).getCACertificates

const bundledAndExtra = (): ReadonlyArray<string> => {
  const extra = process.env.NODE_EXTRA_CA_CERTS
  try {
    return extra ? [...tls.rootCertificates, readFileSync(extra, "utf8")] : tls.rootCertificates
  } catch {
    return tls.rootCertificates // As Node does, which warns of it at its start.
  }
}

/** For requests of node:https without an agent. */
export const connectNodeTlsTo = (server: ServerIdentity & { readonly port: number }): TLSSocket =>
  open(server, { port: server.port })

/** Continues if the certificate is not trusted; `authorizationError` has the reason. Nothing may be sent over it. */
export const askForCertificate = (
  server: ServerIdentity,
  place: { readonly socket: Duplex } | { readonly host: string; readonly port: number }
): TLSSocket => open(server, { ...place, rejectUnauthorized: false })

const open = ({ host, trusted }: ServerIdentity, more: ConnectionOptions): TLSSocket => {
  const name = host.replace(/^\[|\]$|\.$/g, "")
  const socket: TLSSocket = connect({
    host: name,
    // RFC 6066, 3: an address is no SNI.
    servername: isIP(name) === 0 ? name : "",
    ca: [...trusted.pem()],
    minVersion: "TLSv1.2",
    ciphers,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED is ignored.
    rejectUnauthorized: true,
    checkServerIdentity: () => verificationError(name, pathOf(socket.getPeerX509Certificate(), trusted), trusted),
    // An intermediate CA may be trusted without its root. Not in the types of Node 20.
    ...({ allowPartialTrustChain: true } as ConnectionOptions),
    ...more
  })
  return withoutLegacyCertificates(socket)
}

/**
 * Node converts the peer's certificate to a plain object before it calls `checkServerIdentity`, and Node 24 crashes
 * on a key whose curve NIST did not name (seen with 24.21). Nothing here needs that object.
 */
const withoutLegacyCertificates = (socket: TLSSocket): TLSSocket => {
  const read = socket.getPeerX509Certificate.bind(socket)
  let certificate: X509Certificate | undefined
  return Object.assign(socket, {
    getPeerCertificate: () => ({}) as PeerCertificate,
    // Node removes certificates from OpenSSL's list while it reads them: they are readable once.
    getPeerX509Certificate: () => (certificate ??= read())
  })
}

/**
 * Security level 2 refuses RSA below 2048 bits and SHA-1 signatures, in the whole chain. OpenSSL's own TLS 1.3 suites
 * must be named, or TLS 1.3 is off.
 */
const ciphers = [
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "TLS_AES_128_GCM_SHA256",
  "ECDHE+AESGCM",
  "ECDHE+CHACHA20",
  "@SECLEVEL=2"
].join(":")

/** Leaf first, each followed by its issuer if that was sent or is trusted. */
const pathOf = (leaf: X509Certificate | undefined, trusted: TrustStore): ReadonlyArray<X509Certificate> => {
  const sent: Array<X509Certificate> = []
  for (let one = leaf; one !== undefined; one = one.issuerCertificate) sent.push(one)
  const issuerOf = (one: X509Certificate) =>
    isSelfIssued(one) ? undefined : (sent.find((other) => one.checkIssued(other)) ?? anchorOf(one, trusted))
  const path: Array<X509Certificate> = []
  const seen = new Set<string>()
  for (let one = leaf; one !== undefined && !seen.has(one.fingerprint512); one = issuerOf(one)) {
    seen.add(one.fingerprint512)
    path.push(one)
  }
  return path
}

const anchorOf = (one: X509Certificate, trusted: TrustStore): X509Certificate | undefined => {
  for (const der of trusted.certificates) {
    const other = readCertificate(der)
    if (other !== undefined && one.checkIssued(other)) return other
  }
  return undefined
}

const verificationError = (
  name: string,
  path: ReadonlyArray<X509Certificate>,
  trusted: TrustStore
): Error | undefined => {
  const [leaf, ...issuers] = path
  if (leaf === undefined) return refused("CERT_REJECTED", "no certificate")
  if (!isFor(leaf, name)) return refused("ERR_TLS_CERT_ALTNAME_INVALID", namesOf(leaf))
  if (leaf.ca) return refused("INVALID_PURPOSE", "a CA certificate is not a server certificate")
  const unfit = path.map(unfitKey).find((why) => why !== undefined)
  if (unfit !== undefined) return refused("CERT_REJECTED", unfit)
  return isSelfIssued(leaf) || !isAmong(leaf, trusted) || issuers.some((one) => isAmong(one, trusted))
    ? undefined
    : refused("UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "the certificate itself is trusted, but not its issuer")
}

const isFor = (leaf: X509Certificate, name: string): boolean =>
  isIP(name) === 0
    ? leaf.checkHost(name, { subject: "never", partialWildcards: false }) !== undefined
    : leaf.checkIP(name) !== undefined

const namesOf = ({ subjectAltName }: X509Certificate): string =>
  subjectAltName === undefined ? "it has no subjectAltName" : `it is for ${subjectAltName}`

/** The key types that rustls verifies with. */
const unfitKey = (certificate: X509Certificate): string | undefined => {
  const key = publicKeyOf(certificate)
  if (key === undefined) return "its key cannot be read"
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  const bits = details?.modulusLength ?? 0
  switch (type) {
    case "rsa":
      return bits >= 2048 && bits <= 8192 ? undefined : `RSA key of ${bits} bits`
    case "ec":
      return ["prime256v1", "secp384r1", "secp521r1"].includes(details?.namedCurve ?? "")
        ? undefined
        : `EC key on curve ${details?.namedCurve}`
    case "ed25519":
      return undefined
    default:
      return `key of type ${type}`
  }
}

const publicKeyOf = (certificate: X509Certificate): KeyObject | undefined => {
  try {
    return certificate.publicKey
  } catch {
    return undefined // reported by the caller
  }
}

const isSelfIssued = ({ subject, issuer }: X509Certificate): boolean => subject === issuer

const isAmong = (one: X509Certificate, { certificates }: TrustStore): boolean =>
  certificates.some((der) => der.equals(one.raw))

const refused = (code: string, detail: string): Error => Object.assign(new Error(detail), { code, reason: detail })
