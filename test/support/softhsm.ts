/**
 * SoftHSM2 tokens in a directory of their own, with keys, made by other programs than ours.
 *
 * Nothing of the machine's own SoftHSM2 is touched: each directory has its SOFTHSM2_CONF. Everything is synchronous,
 * some 20 ms a step.
 */
import { execFileSync } from "node:child_process"
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { makeTempDir, removeTempDir } from "./temp-dir.ts"

export type TokenKeyKind = "p256" | "p384" | "p521" | "rsa2048" | "rsa3072" | "rsa4096"

export interface TokenOptions {
  readonly label?: string
  readonly pin?: string
  readonly soPin?: string
}

export interface KeyOptions {
  readonly label?: string
  /** CKA_ID in hex digits. */
  readonly id?: string
  readonly kind?: TokenKeyKind
}

export interface ImportOptions extends KeyOptions {
  /** A private key as PKCS#8 PEM; undefined: a new one of the kind. */
  readonly privateKeyPem?: string
  /** Whether the token gets the public object too. Default true. */
  readonly publicObject?: boolean
}

/** A key on the token and its public half as SubjectPublicKeyInfo. */
export interface TokenKey {
  readonly label: string
  readonly id: string
  readonly kind: TokenKeyKind
  readonly publicKeyPem: string
}

export interface SoftHsmToken {
  readonly label: string
  readonly serial: string
  readonly pin: string
  readonly soPin: string
  /** Made outside and put on the token; the public half is known without asking the token. */
  readonly importKey: (options?: ImportOptions) => TokenKey
  /** Made by the token itself, through pkcs11-tool. */
  readonly generateKey: (options?: KeyOptions) => TokenKey
  readonly deleteKey: (id: string) => void
  readonly publicKeyPem: (id: string) => string
  /** Erases the token, as if it had been lost. */
  readonly erase: () => void
}

export interface SoftHsmDirectory {
  readonly dir: string
  readonly modulePath: string
  /** What a process needs in its environment to see these tokens, and only these. */
  readonly env: { readonly SOFTHSM2_CONF: string }
  readonly addToken: (options?: TokenOptions) => SoftHsmToken
  readonly cleanup: () => void
}

/** A directory with one token. Call `cleanup` at the end. */
export const softhsmToken = (options: TokenOptions = {}): SoftHsmDirectory & SoftHsmToken => {
  const directory = softhsmDirectory()
  return { ...directory, ...directory.addToken(options) }
}

/** A directory without tokens. Call `cleanup` at the end. */
export const softhsmDirectory = (): SoftHsmDirectory => {
  const dir = makeTempDir()
  const conf = join(dir, "softhsm2.conf")
  mkdirSync(join(dir, "tokens"))
  writeFileSync(conf, `directories.tokendir = ${join(dir, "tokens")}\nobjectstore.backend = file\nlog.level = ERROR\n`)
  const env = { SOFTHSM2_CONF: conf }
  return {
    dir,
    modulePath: softhsmModulePath(),
    env,
    addToken: (options = {}) => addToken(dir, env, options),
    cleanup: () => removeTempDir(dir)
  }
}

/** Where Debian, Alpine or Fedora put the module. */
export const softhsmModulePath = (): string => {
  const path = modulePaths.find((candidate) => existsSync(candidate))
  if (path === undefined) throw new Error(`SoftHSM2 is not installed: none of ${modulePaths.join(", ")} is there`)
  return path
}

const modulePaths = [
  "/usr/lib/softhsm/libsofthsm2.so",
  "/usr/lib64/pkcs11/libsofthsm2.so",
  "/usr/lib64/libsofthsm2.so",
  "/usr/local/lib/softhsm/libsofthsm2.so"
]

const addToken = (dir: string, env: SoftHsmDirectory["env"], options: TokenOptions): SoftHsmToken => {
  const { label = "my-token", pin = "123456", soPin = "12345678" } = options
  const tool = (program: string, ...args: ReadonlyArray<string>): Buffer =>
    execFileSync(program, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] })
  const softhsm = (...args: ReadonlyArray<string>): string => tool("softhsm2-util", ...args).toString()
  const initialised = softhsm("--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", soPin)
  const slot = /reassigned to slot (\d+)/.exec(initialised)?.[1] ?? ""
  const listed = softhsm("--show-slots")
    .split(/^Slot /m)
    .find((part) => part.startsWith(`${slot}\n`))
  const serial = /Serial number:\s*(\S+)/.exec(listed ?? "")?.[1]
  if (serial === undefined) throw new Error(`softhsm2-util made no token: ${initialised}`)
  const pkcs11Tool = (...args: ReadonlyArray<string>): Buffer =>
    tool("pkcs11-tool", "--module", softhsmModulePath(), "--slot", slot, ...args)
  const loggedIn = ["--login", "--pin", pin]

  const publicKeyPem = (id: string): string => {
    const listed = pkcs11Tool("--list-objects", "--type", "pubkey", "--id", id).toString()
    // pkcs11-tool 0.23 prints an EC public key of any curve, but reads none beyond P-256.
    const der = listed.includes("EC_POINT")
      ? ecPublicKeyDer(listed)
      : pkcs11Tool("--read-object", "--type", "pubkey", "--id", id)
    return spkiPem(createPublicKey({ key: der, format: "der", type: "spki" }))
  }
  return {
    label,
    serial,
    pin,
    soPin,
    publicKeyPem,
    importKey: (key = {}) => {
      const { label: keyLabel = "my-key", id = "01", kind = "p256", publicObject = true } = key
      const pem = key.privateKeyPem ?? newPrivateKeyPem(kind)
      const file = join(dir, `import-${id}.pem`)
      writeFileSync(file, pem, { mode: 0o600 })
      const flags = publicObject ? ["--force"] : ["--force", "--no-public-key"]
      softhsm("--import", file, "--serial", serial, "--label", keyLabel, "--id", id, "--pin", pin, ...flags)
      return { label: keyLabel, id, kind, publicKeyPem: spkiPem(createPublicKey(pem)) }
    },
    generateKey: ({ label: keyLabel = "my-key", id = "01", kind = "p256" } = {}) => {
      pkcs11Tool(...loggedIn, "--keypairgen", "--key-type", toolKeyTypes[kind], "--id", id, "--label", keyLabel)
      return { label: keyLabel, id, kind, publicKeyPem: publicKeyPem(id) }
    },
    deleteKey: (id) => {
      for (const type of ["privkey", "pubkey"]) pkcs11Tool(...loggedIn, "--delete-object", "--type", type, "--id", id)
    },
    erase: () => {
      softhsm("--delete-token", "--serial", serial)
    }
  }
}

const toolKeyTypes: Record<TokenKeyKind, string> = {
  p256: "EC:prime256v1",
  p384: "EC:secp384r1",
  p521: "EC:secp521r1",
  rsa2048: "rsa:2048",
  rsa3072: "rsa:3072",
  rsa4096: "rsa:4096"
}

/** A new private key, PKCS#8 PEM: softhsm2-util takes no other. */
export const newPrivateKeyPem = (kind: TokenKeyKind): string => {
  const privateKeyEncoding = { type: "pkcs8", format: "pem" } as const
  const publicKeyEncoding = { type: "spki", format: "pem" } as const
  return kind.startsWith("rsa")
    ? generateKeyPairSync("rsa", { modulusLength: Number(kind.slice(3)), privateKeyEncoding, publicKeyEncoding })
        .privateKey
    : generateKeyPairSync("ec", { namedCurve: `P-${kind.slice(1)}`, privateKeyEncoding, publicKeyEncoding }).privateKey
}

/** SubjectPublicKeyInfo of the EC key in a listing of pkcs11-tool (RFC 5480, 2). */
const ecPublicKeyDer = (listed: string): Buffer => {
  const attribute = (name: string) => Buffer.from(new RegExp(`${name}:\\s*([0-9a-f]+)`).exec(listed)?.[1] ?? "", "hex")
  const tagged = (tag: number, content: Buffer) => Buffer.concat([Buffer.of(tag, content.length), content])
  const idEcPublicKey = Buffer.from("06072a8648ce3d0201", "hex")
  const algorithm = tagged(0x30, Buffer.concat([idEcPublicKey, attribute("EC_PARAMS")]))
  // CKA_EC_POINT is an OCTET STRING around the point; lengths stay below 128 for P-256 and P-384.
  const point = attribute("EC_POINT").subarray(2)
  return tagged(0x30, Buffer.concat([algorithm, tagged(0x03, Buffer.concat([Buffer.of(0), point]))]))
}

const spkiPem = (key: KeyObject): string => key.export({ type: "spki", format: "pem" }).toString()
