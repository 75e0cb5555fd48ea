/** Keys of a token, made and read by OpenSC's pkcs11-tool: another program than ours, for any module. */
import { execFileSync } from "node:child_process"
import { createPublicKey, type KeyObject } from "node:crypto"

export type TokenKeyKind = "p256" | "p384" | "p521" | "rsa2048" | "rsa3072" | "rsa4096"

export interface KeyOptions {
  readonly label?: string
  /** CKA_ID in hex digits. */
  readonly id?: string
  readonly kind?: TokenKeyKind
}

/** A key on the token and its public half as SubjectPublicKeyInfo. */
export interface TokenKey {
  readonly label: string
  readonly id: string
  readonly kind: TokenKeyKind
  readonly publicKeyPem: string
}

export interface KeyMaker {
  /** Made by the token itself. P-521 is not read back. */
  readonly generateKey: (options?: KeyOptions) => TokenKey
  readonly deleteKey: (id: string) => void
  readonly publicKeyPem: (id: string) => string
}

export interface Pkcs11ToolSpec {
  readonly modulePath: string
  readonly env: Readonly<Record<string, string>>
  /** `--slot N` or `--token-label L`. */
  readonly where: ReadonlyArray<string>
  readonly pin: string
}

/** Runs pkcs11-tool; throws with its words when it fails. */
export const pkcs11Tool = (spec: Omit<Pkcs11ToolSpec, "pin">, ...args: ReadonlyArray<string>): Buffer =>
  execFileSync("pkcs11-tool", ["--module", spec.modulePath, ...spec.where, ...args], {
    env: { ...process.env, ...spec.env },
    stdio: ["ignore", "pipe", "pipe"]
  })

export const keyMaker = (spec: Pkcs11ToolSpec): KeyMaker => {
  const loggedIn = (...args: ReadonlyArray<string>) => pkcs11Tool(spec, "--login", "--pin", spec.pin, ...args)
  const publicKeyPem = (id: string): string => {
    // pkcs11-tool lists all public keys, whatever the id.
    const all = pkcs11Tool(spec, "--list-objects", "--type", "pubkey").toString()
    const listed = all.split(/^(?=Public Key Object)/m).find((part) => new RegExp(`ID: +${id}$`, "m").test(part)) ?? ""
    // pkcs11-tool 0.23 prints an EC public key of any curve, but reads none beyond P-256.
    const der = listed.includes("EC_POINT")
      ? ecPublicKeyDer(listed)
      : pkcs11Tool(spec, "--read-object", "--type", "pubkey", "--id", id)
    return spkiPem(createPublicKey({ key: der, format: "der", type: "spki" }))
  }
  return {
    publicKeyPem,
    generateKey: ({ label = "my-key", id = "01", kind = "p256" } = {}) => {
      loggedIn("--keypairgen", "--key-type", toolKeyTypes[kind], "--id", id, "--label", label)
      return { label, id, kind, publicKeyPem: publicKeyPem(id) }
    },
    deleteKey: (id) => {
      for (const type of ["privkey", "pubkey"]) loggedIn("--delete-object", "--type", type, "--id", id)
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

export const spkiPem = (key: KeyObject): string => key.export({ type: "spki", format: "pem" }).toString()
