/**
 * A small certificate authority for tests, made with the openssl command in a directory of its own.
 *
 * Keys and certificates come from outside this project on purpose: a test that reads its own encoder proves little.
 * Everything is synchronous: some 10 ms a certificate, 100 ms for an RSA key.
 */
import { execFileSync } from "node:child_process"
import { createPublicKey, randomBytes } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export type KeyKind = "p256" | "p384" | "p521" | "rsa" | "ed25519"

/** Expired: 2020 only. Not yet valid: from 2090 on. */
export type Validity = "valid" | "expired" | "notYetValid"

export interface TestCa {
  readonly dir: string
  readonly certFile: string
  readonly keyFile: string
  readonly certPem: string
}

/** A certificate with its private key, as PEM and as files (the key 0600). */
export interface Identity {
  readonly certPem: string
  readonly keyPem: string
  readonly certFile: string
  readonly keyFile: string
}

export interface CertificateOptions {
  readonly key?: KeyKind
  readonly cn?: string
  /** subjectAltName as openssl writes it: "DNS:localhost,IP:127.0.0.1" */
  readonly names?: string
  readonly validity?: Validity
}

export interface PkiOptions {
  /** Kind of the device's key; CA and server always have P-256. */
  readonly key?: KeyKind
  readonly deviceId?: string
  readonly serverNames?: string
  readonly serverValidity?: Validity
  readonly deviceValidity?: Validity
}

/** What most tests need: a CA, a server for localhost, 127.0.0.1 and ::1, and a device. */
export interface TestPki {
  readonly dir: string
  readonly ca: TestCa
  readonly caPem: string
  readonly caFile: string
  readonly serverCertPem: string
  readonly serverKeyPem: string
  readonly serverCertFile: string
  readonly serverKeyFile: string
  readonly deviceCertPem: string
  readonly deviceKeyPem: string
  readonly deviceCertFile: string
  readonly deviceKeyFile: string
  /** A device certificate for a key that lives elsewhere, a token for instance. */
  readonly issueFor: (publicKeyPem: string, cn: string) => string
  /** Deletes the directory. */
  readonly remove: () => void
}

/** A directory of the test's own, under the system's temporary directory. */
export const testDirectory = (prefix = "tedge-test-"): string => mkdtempSync(join(tmpdir(), prefix))

export const testPki = (options: PkiOptions = {}): TestPki => {
  const dir = testDirectory("tedge-pki-")
  const ca = makeCa(dir)
  const server = makeServerCertificate(ca, {
    ...(options.serverNames ? { names: options.serverNames } : {}),
    validity: options.serverValidity ?? "valid"
  })
  const device = makeDeviceCertificate(ca, {
    key: options.key ?? "p256",
    cn: options.deviceId ?? "test-device",
    validity: options.deviceValidity ?? "valid"
  })
  return {
    dir,
    ca,
    caPem: ca.certPem,
    caFile: ca.certFile,
    serverCertPem: server.certPem,
    serverKeyPem: server.keyPem,
    serverCertFile: server.certFile,
    serverKeyFile: server.keyFile,
    deviceCertPem: device.certPem,
    deviceKeyPem: device.keyPem,
    deviceCertFile: device.certFile,
    deviceKeyFile: device.keyFile,
    issueFor: (publicKeyPem, cn) => issueFor(ca, publicKeyPem, cn),
    remove: () => rmSync(dir, { recursive: true, force: true })
  }
}

/** A self-signed CA with a P-256 key. */
export const makeCa = (dir: string, cn = "Test CA"): TestCa => {
  const keyFile = makeKey(dir, "p256")
  const certFile = freshPath(dir, "ca.pem")
  const config = writeText(
    dir,
    "ca.cnf",
    "[req]\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\n" +
      "[ext]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
  )
  openssl([
    "req",
    "-x509",
    "-new",
    "-config",
    config,
    "-key",
    keyFile,
    "-subj",
    `/CN=${cn}`,
    "-days",
    "3650",
    "-out",
    certFile
  ])
  return { dir, certFile, keyFile, certPem: readFileSync(certFile, "utf8") }
}

/** A CA that `root` has certified. */
export const makeIntermediateCa = (root: TestCa, cn = "Intermediate CA"): TestCa => {
  const keyFile = makeKey(root.dir, "p256")
  const publicKey = publicKeyPem(readFileSync(keyFile, "utf8"))
  const certFile = certify(root, publicKey, cn, "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n")
  return { dir: root.dir, certFile, keyFile, certPem: readFileSync(certFile, "utf8") }
}

export const makeServerCertificate = (ca: TestCa, options: CertificateOptions = {}): Identity =>
  makeIdentity(ca, { cn: "localhost", names: "DNS:localhost,IP:127.0.0.1,IP:::1", ...options }, "serverAuth")

export const makeDeviceCertificate = (ca: TestCa, options: CertificateOptions = {}): Identity =>
  makeIdentity(ca, { cn: "test-device", ...options }, "clientAuth")

/** A client certificate for a public key whose private half stays where it is. Answers PEM. */
export const issueFor = (ca: TestCa, publicKey: string, cn: string): string =>
  readFileSync(certify(ca, publicKey, cn, extensions("clientAuth")), "utf8")

/** Answers the certificate's file. */
const certify = (ca: TestCa, publicKey: string, cn: string, extensionLines: string): string => {
  const keyFile = writeText(ca.dir, "public.pem", publicKey)
  const extFile = writeText(ca.dir, "ext.cnf", extensionLines)
  const certFile = freshPath(ca.dir, "cert.pem")
  const signedBy = ["-CA", ca.certFile, "-CAkey", ca.keyFile, "-set_serial", serial()]
  const content = ["-subj", `/CN=${cn}`, "-days", "365", "-extfile", extFile, "-out", certFile]
  openssl(["x509", "-new", "-force_pubkey", keyFile, ...signedBy, ...content])
  return certFile
}

/** An unencrypted PKCS#8 key in a 0600 file. Answers its path. */
export const makeKey = (dir: string, kind: KeyKind): string => {
  const file = freshPath(dir, "key.pem")
  openssl(["genpkey", ...keyArguments[kind], "-out", file])
  return file
}

/** The SubjectPublicKeyInfo of a private key or certificate, as PEM. */
export const publicKeyPem = (pem: string): string =>
  createPublicKey(pem).export({ type: "spki", format: "pem" }).toString()

const makeIdentity = (ca: TestCa, options: CertificateOptions, usage: string): Identity => {
  const keyFile = makeKey(ca.dir, options.key ?? "p256")
  const certFile = freshPath(ca.dir, "cert.pem")
  const request = freshPath(ca.dir, "request.pem")
  openssl(["req", "-new", "-key", keyFile, "-subj", `/CN=${options.cn ?? "test"}`, "-out", request])
  const [from, to] = validityDates[options.validity ?? "valid"]
  const config = writeText(
    ca.dir,
    "issue.cnf",
    `[ca]\ndefault_ca=issuer\n[issuer]\ndatabase=${writeText(ca.dir, "index.txt", "")}\nnew_certs_dir=${ca.dir}\n` +
      "rand_serial=yes\ndefault_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n" +
      `[ext]\n${extensions(usage, options.names)}`
  )
  openssl(
    [
      "ca",
      "-batch",
      "-notext",
      "-config",
      config,
      "-extensions",
      "ext",
      "-cert",
      ca.certFile,
      "-keyfile",
      ca.keyFile
    ].concat(["-startdate", from, "-enddate", to, "-in", request, "-out", certFile])
  )
  const read = (file: string) => readFileSync(file, "utf8")
  return { certFile, keyFile, certPem: read(certFile), keyPem: read(keyFile) }
}

const extensions = (usage: string, names?: string) =>
  `basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=${usage}\n` +
  `subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n${names ? `subjectAltName=${names}\n` : ""}`

const openssl = (args: ReadonlyArray<string>) => execFileSync("openssl", args, { stdio: ["ignore", "pipe", "pipe"] })

const serial = () => `0x${randomBytes(8).toString("hex")}`

const freshPath = (dir: string, name: string) => join(dir, `${randomBytes(6).toString("hex")}-${name}`)

const writeText = (dir: string, name: string, text: string) => {
  const file = freshPath(dir, name)
  writeFileSync(file, text)
  return file
}

const curve = (name: string) => ["-algorithm", "EC", "-pkeyopt", `ec_paramgen_curve:${name}`]

const keyArguments: Readonly<Record<KeyKind, ReadonlyArray<string>>> = {
  p256: curve("P-256"),
  p384: curve("P-384"),
  p521: curve("P-521"),
  rsa: ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
  ed25519: ["-algorithm", "ED25519"]
}

const validityDates: Readonly<Record<Validity, readonly [from: string, to: string]>> = {
  valid: ["20200101000000Z", "20890101000000Z"],
  expired: ["20200101000000Z", "20210101000000Z"],
  notYetValid: ["20900101000000Z", "20910101000000Z"]
}
