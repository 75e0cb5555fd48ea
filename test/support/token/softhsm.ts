/**
 * SoftHSM2 tokens in a directory of their own, with keys, made by other programs than ours.
 *
 * Nothing of the machine's own SoftHSM2 is touched: each directory has its SOFTHSM2_CONF. Everything is synchronous,
 * some 20 ms a step.
 */
import { execFileSync } from "node:child_process"
import { createPublicKey, generateKeyPairSync } from "node:crypto"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { makeTempDir, removeTempDir } from "../temp-dir.ts"
import { type KeyMaker, type KeyOptions, keyMaker, spkiPem, type TokenKey, type TokenKeyKind } from "./pkcs11-tool.ts"

export type { TokenKey } from "./pkcs11-tool.ts"

export interface TokenOptions {
  readonly label?: string
  readonly pin?: string
  readonly soPin?: string
}

export interface ImportOptions extends KeyOptions {
  /** A private key as PKCS#8 PEM; undefined: a new one of the kind. */
  readonly privateKeyPem?: string
  /** Whether the token gets the public object too. Default true. */
  readonly publicObject?: boolean
}

export interface SoftHsmToken extends KeyMaker {
  readonly label: string
  readonly serial: string
  readonly pin: string
  readonly soPin: string
  /** Made outside and put on the token; the public half is known without asking the token. */
  readonly importKey: (options?: ImportOptions) => TokenKey
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
  const softhsm = (...args: ReadonlyArray<string>): string =>
    execFileSync("softhsm2-util", args, {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"]
    }).toString()
  const initialised = softhsm("--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", soPin)
  const slot = /reassigned to slot (\d+)/.exec(initialised)?.[1] ?? ""
  const listed = softhsm("--show-slots")
    .split(/^Slot /m)
    .find((part) => part.startsWith(`${slot}\n`))
  const serial = /Serial number:\s*(\S+)/.exec(listed ?? "")?.[1]
  if (serial === undefined) throw new Error(`softhsm2-util made no token: ${initialised}`)
  return {
    label,
    serial,
    pin,
    soPin,
    ...keyMaker({ modulePath: softhsmModulePath(), env, where: ["--slot", slot], pin }),
    importKey: (key = {}) => {
      const { label: keyLabel = "my-key", id = "01", kind = "p256", publicObject = true } = key
      const pem = key.privateKeyPem ?? newPrivateKeyPem(kind)
      const file = join(dir, `import-${id}.pem`)
      writeFileSync(file, pem, { mode: 0o600 })
      const flags = publicObject ? ["--force"] : ["--force", "--no-public-key"]
      softhsm("--import", file, "--serial", serial, "--label", keyLabel, "--id", id, "--pin", pin, ...flags)
      return { label: keyLabel, id, kind, publicKeyPem: spkiPem(createPublicKey(pem)) }
    },
    erase: () => {
      softhsm("--delete-token", "--serial", serial)
    }
  }
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
