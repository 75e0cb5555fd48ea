/**
 * A PIV card through OpenSC: what is on it is read, and it signs. The card is software, pcscd and OpenSC are not.
 *
 * Without root, pcscd and vpcd's reader (Debian: pcscd, vsmartcard-vpcd, opensc-pkcs11) it is left out, aloud.
 */
import { createPrivateKey, createPublicKey, verify, X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { mustRun } from "../../scripts/lib/run.mjs"
import { freshHost } from "../actors/cryptoki/host/fresh-host.ts"
import { ask } from "../actors/p11-server/served.ts"
import { checkedRequest } from "../cli/commands/cert/openssl.ts"
import { startSigningService } from "../cli/commands/hsm/signing-service.ts"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"
import { cardMissing, virtualCard } from "../support/token/virtual-card.ts"
import { tedge } from "./behaviour.ts"
import { signs } from "./signing-behaviours.ts"
import { pin, select, type TokenBench, tokenBench } from "./token-bench.ts"

/** OpenSC names the token after the certificate's owner, and keys after their slots. */
const owner = "card-holder"
const authentication = "PIV%20AUTH%20key"
const signature = "SIGN%20key"

const missing = cardMissing()

describe.skipIf(missing !== undefined)(
  `a PIV card through OpenSC${missing === undefined ? "" : ` (${missing})`}`,
  () => {
    let dir: string
    let bench: TokenBench
    let rsa: CardKey
    let ec: CardKey
    const seen: Array<string> = []

    beforeAll(async () => {
      await freshHost()
      dir = makeTempDir()
      rsa = await keyWithCertificate(dir, "rsa", "rsa:2048")
      ec = await keyWithCertificate(dir, "ec", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
      const keys = [
        { slot: 0x9a, ...rsa },
        { slot: 0x9c, ...ec }
      ] as const
      bench = tokenBench(await virtualCard({ pin, keys }), owner)
      select(bench)
    })
    afterAll(async () => {
      await bench?.cleanup()
      removeTempDir(dir)
      console.log(["PIV card through OpenSC:", ...seen].join("\n"))
    })

    const cell = (name: string, body: () => Promise<void>, mark = "✓") =>
      it(name, async () => {
        await body()
        seen.push(`${mark} ${name}`)
      })

    cell("tedge hsm list-tokens", async () => {
      const { refusal, answer } = await tedge(bench, "hsm", "list-tokens")
      expect([refusal, answer]).toEqual([undefined, expect.stringContaining(`token=${owner}`)])
    })

    cell("tedge hsm list-keys", async () => {
      const { refusal, answer } = await tedge(bench, "hsm", "list-keys", bench.tokenUri)
      expect(refusal).toBeUndefined()
      for (const key of [authentication, signature]) expect(answer).toContain(`object=${key}`)
    })

    cell("TLS signature RSA 2048 PSS", async () => {
      const schemes = ["rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512"] as const
      expect(await signs(bench, authentication, schemes)).toEqual({ refusal: undefined, answer: schemes.join(" ") })
    })

    cell("TLS signature RSA 2048 PKCS#1", async () => {
      const schemes = ["rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512"] as const
      expect(await signs(bench, authentication, schemes)).toEqual({ refusal: undefined, answer: schemes.join(" ") })
    })

    cell("TLS signature ECDSA P-256, with the PIN for each", async () => {
      const schemes = ["ecdsa_secp256r1_sha256", "ecdsa_secp256r1_sha256"] as const
      expect(await signs(bench, signature, schemes)).toEqual({ refusal: undefined, answer: schemes.join(" ") })
    })

    cell("tedge cert create-csr", async () => {
      await bench.endCryptoki()
      for (const key of [authentication, signature]) {
        select(bench, `${bench.tokenUri};object=${key}`)
        expect((await tedge(bench, "cert", "create-csr", "--device-id", "dev")).refusal).toBeUndefined()
        await checkedRequest(bench.device.csrPath)
      }
    })

    cell("tedge-p11-server: listed, and signs with the PIN for each", async () => {
      await bench.endCryptoki()
      const { modulePath, env } = bench.place
      const place = { place: dir, modulePath, environment: env, args: ["--pin", pin] }
      const { socketPath, stop } = await startSigningService(place)
      try {
        expect(await ask(socketPath, { _tag: "ListTokensRequest" })).toMatchObject({ tokens: [{ label: owner }] })
        for (const key of [authentication, signature, signature]) {
          const uri = `pkcs11:object=${key}`
          const scheme = key === signature ? "ecdsa_secp256r1_sha256" : "rsa_pkcs1_sha256"
          const request = { _tag: "SignRequestWithSigScheme", toSign: message, uri, scheme, pin: undefined } as const
          const signed = await ask(socketPath, request)
          const bytes = signed._tag === "SignResponse" ? signed.signature : Buffer.of()
          const publicKey = createPublicKey(key === signature ? ec.privateKey : rsa.privateKey)
          expect(verify("sha256", message, publicKey, bytes), JSON.stringify(signed)).toBe(true)
        }
        bench.device.settings(
          `device.key_uri = "pkcs11:object=${signature}"\n[device.cryptoki]\nmode = "socket"\nsocket_path = "${socketPath}"\n`
        )
        expect((await tedge(bench, "cert", "create-csr", "--device-id", "dev")).refusal).toBeUndefined()
        await checkedRequest(bench.device.csrPath)
      } finally {
        await stop()
        select(bench)
      }
    })

    cell(
      "tedge hsm create-key (refused: only the card maker's tool makes PIV keys)",
      async () => {
        const { refusal } = await tedge(bench, "hsm", "create-key", bench.tokenUri)
        expect(refusal).toMatch(/CKR_/)
      },
      "–"
    )
  }
)

const message = Buffer.from("to be signed")

type CardKey = Awaited<ReturnType<typeof keyWithCertificate>>

const keyWithCertificate = async (dir: string, name: string, ...kind: ReadonlyArray<string>) => {
  const [key, certificate] = [join(dir, `${name}.key`), join(dir, `${name}.pem`)]
  const files = ["-keyout", key, "-out", certificate]
  await mustRun("openssl", ["req", "-x509", "-nodes", "-newkey", ...kind, ...files, "-subj", `/CN=${owner}`])
  return {
    privateKey: createPrivateKey(readFileSync(key)),
    certificateDer: new X509Certificate(readFileSync(certificate)).raw
  }
}
