/** The test certificates are what they claim, judged by openssl and by Node. */
import { execFileSync, spawnSync } from "node:child_process"
import { generateKeyPairSync, X509Certificate } from "node:crypto"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { makeDeviceCertificate, makeServerCertificate, testPki } from "./pki.ts"

const pki = testPki({ deviceId: "dev-1" })
afterAll(pki.remove)

const verify = (certFile: string, purpose: string) =>
  spawnSync("openssl", ["verify", "-purpose", purpose, "-CAfile", pki.caFile, certFile], { encoding: "utf8" })

describe("test certificates", () => {
  it("verify for their purpose", () => {
    expect(verify(pki.serverCertFile, "sslserver").status).toBe(0)
    expect(verify(pki.deviceCertFile, "sslclient").status).toBe(0)
  })

  it("carry the device id and the server's names", () => {
    expect(new X509Certificate(pki.deviceCertPem).subject).toBe("CN=dev-1")
    expect(new X509Certificate(pki.serverCertPem).checkIP("::1")).toBe("::1")
  })

  it("can be expired or not yet valid", () => {
    expect(verify(makeServerCertificate(pki.ca, { validity: "expired" }).certFile, "sslserver").stderr).toContain(
      "expired"
    )
    expect(verify(makeServerCertificate(pki.ca, { validity: "notYetValid" }).certFile, "sslserver").stderr).toContain(
      "not yet valid"
    )
  })

  it.each(["p256", "p384", "p521", "rsa", "ed25519"] as const)("exist with %s keys", (key) => {
    expect(verify(makeDeviceCertificate(pki.ca, { key }).certFile, "sslclient").status).toBe(0)
  })

  it("can be issued for a public key alone", () => {
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
    const spki = publicKey.export({ type: "spki", format: "pem" }).toString()
    const pem = pki.issueFor(spki, "token-device")
    const file = join(pki.dir, "issued.pem")
    writeFileSync(file, pem)
    expect(execFileSync("openssl", ["x509", "-in", file, "-noout", "-pubkey"]).toString()).toBe(spki)
    expect(verify(file, "sslclient").status).toBe(0)
  })
})
