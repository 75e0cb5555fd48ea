/** What openssl and certtool say about certificates and requests of ours. */
import { createPublicKey, X509Certificate } from "node:crypto"
import { mustRun, run } from "../../../../scripts/lib/run.mjs"
import { requestProblem } from "../../../support/tls/openssl-output.ts"

/** Fails unless the signature holds; answers what openssl prints. */
export const checkedRequest = async (path: string): Promise<string> => {
  const problem = requestProblem(path)
  if (problem !== undefined) throw new Error(problem)
  return (await mustRun("openssl", ["req", "-in", path, "-noout", "-text", "-nameopt", "oneline"])).stdout
}

/** Fails unless the certificate verifies against itself; answers what certtool prints. */
export const checkedSelfSigned = async (path: string): Promise<string> => {
  await mustRun("openssl", ["verify", "-x509_strict", "-check_ss_sig", "-CAfile", path, path])
  const shown = await run("certtool", ["--certificate-info", "--infile", path])
  if (shown.code !== 0) throw new Error(shown.stderr)
  return shown.stdout
}

/** SubjectPublicKeyInfo of a certificate or of a private key, PEM. */
export const publicKeyOf = (pem: string): string =>
  (pem.includes("BEGIN CERTIFICATE-") ? new X509Certificate(pem).publicKey : createPublicKey(pem))
    .export({ type: "spki", format: "pem" })
    .toString()
