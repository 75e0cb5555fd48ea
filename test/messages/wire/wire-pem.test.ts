/** Public keys on the wire of the signing service. Keys come from node:crypto; one sample from thin-edge's documents. */
import { createPublicKey, generateKeyPairSync } from "node:crypto"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { publicKeyOfWirePem, wirePem } from "../../../src/messages/wire/wire-pem.ts"

const spkiOf = (kind: "P-256" | "P-384" | "P-521" | "rsa") => {
  const { publicKey } =
    kind === "rsa"
      ? generateKeyPairSync("rsa", { modulusLength: 2048 })
      : generateKeyPairSync("ec", { namedCurve: kind })
  return { publicKey, spki: Uint8Array.from(publicKey.export({ type: "spki", format: "der" })) }
}
const sample = `-----BEGIN PUBLIC KEY-----
BEsjmiXDdko90IDdjlAb/bWyTf6kd6S+/KPlj2Yd3zjHZe54evLyHJ1e8dSDhpy7
2Tcml9ZcHWBHA+MM0NFAbaw=
-----END PUBLIC KEY-----
`

describe("a public key on the wire", () => {
  it.each(["P-256", "P-384", "P-521"] as const)("is the bare point of a %s key", (curve) => {
    const { publicKey, spki } = spkiOf(curve)
    const { x = "", y = "" } = publicKey.export({ format: "jwk" })
    const point = Buffer.concat([Buffer.of(4), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")])
    const body = wirePem(spki)?.split("\n").slice(1, -2).join("")
    expect(body).toBe(point.toString("base64"))
    expect(publicKeyOfWirePem(wirePem(spki) ?? "")).toEqual(spki)
  })

  it("is the RSAPublicKey of an RSA key", () => {
    const { publicKey, spki } = spkiOf("rsa")
    const body = wirePem(spki)?.split("\n").slice(1, -2).join("")
    expect(body).toBe(publicKey.export({ type: "pkcs1", format: "der" }).toString("base64"))
    expect(publicKeyOfWirePem(wirePem(spki) ?? "")).toEqual(spki)
  })

  it("is read from the documents' sample, and written the same", () => {
    const spki = publicKeyOfWirePem(sample) ?? new Uint8Array()
    const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" })
    expect(key.asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" })
    expect(wirePem(spki)).toBe(sample)
  })

  it("is understood from a peer that sends a real SubjectPublicKeyInfo, with any line ends", () => {
    const { publicKey, spki } = spkiOf("P-256")
    const pem = publicKey.export({ type: "spki", format: "pem" }).toString()
    expect(publicKeyOfWirePem(pem.replaceAll("\n", "\r\n"))).toEqual(spki)
  })

  it("is never made up from anything else", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.base64String().map((body) => sample.replace(/BEsj[^-]*/, `${body}\n`))
        ),
        (text) => {
          const spki = publicKeyOfWirePem(text)
          if (spki !== undefined) expect(wirePem(spki)).toBeDefined()
        }
      )
    ))

  it("is refused when it is cut", () => {
    const { spki } = spkiOf("rsa")
    for (let length = 0; length < spki.length; length++) expect(wirePem(spki.slice(0, length))).toBeUndefined()
  })
})
