/** Certificates passed by programs: PEM text, bytes, or a list of either. */
import { nodeTrusted } from "../platform/tls/node-tls.ts"
import { type TrustStore, trustStore } from "../platform/tls/trust-store.ts"
import { invalidOption } from "./token-error.ts"

export type PemInput = string | Uint8Array | ReadonlyArray<string | Uint8Array>

/** Throws a TokenError. */
export const certificateText = (cert: PemInput | undefined): string => {
  if (cert === undefined) throw invalidOption("the cert option is missing: the certificate of the key, in PEM")
  return texts(cert, "cert").join("\n")
}

/** Without `ca`: Node's trusted certificates, `NODE_EXTRA_CA_CERTS` included. */
export const trustedBy = (ca: PemInput | undefined): TrustStore =>
  ca === undefined ? nodeTrusted() : trustStore(texts(ca, "ca"))

const texts = (input: PemInput, option: string): ReadonlyArray<string> =>
  (Array.isArray(input) ? input : [input]).map((one: unknown) => {
    const text = typeof one === "string" ? one : one instanceof Uint8Array ? Buffer.from(one).toString("latin1") : ""
    if (text.includes("-----BEGIN")) return text
    throw invalidOption(`the option ${option} must hold certificates in PEM`, "the content of the file, not its path")
  })
