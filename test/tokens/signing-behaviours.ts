/** What a TLS handshake asks of a token: choose a scheme for the key, sign with it. Node's OpenSSL verifies. */
import { constants, createPublicKey, verify } from "node:crypto"
import { Effect, Redacted, Result } from "effect"
import { expect } from "vitest"
import { parsePkcs11Uri } from "../../src/messages/pkcs11-uri.ts"
import type { SignatureScheme } from "../../src/messages/signature-scheme.ts"
import type { TokenRefusal } from "../../src/messages/token-refusals.ts"
import type { Behaviour, Exception, Outcome } from "./behaviour.ts"
import { pin, type TokenBench } from "./token-bench.ts"

const message = Buffer.from("TLS 1.3, client CertificateVerify")
const within = { within: "30 seconds" } as const

/** One signature for each scheme; the answer says which of them verified. */
export const signs = async (
  bench: TokenBench,
  object: string,
  schemes: ReadonlyArray<SignatureScheme>
): Promise<Outcome> => {
  const cryptoki = await bench.cryptoki()
  const uri = Result.getOrThrow(parsePkcs11Uri(`${bench.tokenUri};object=${object}`))
  const key = { uri, pin: Redacted.make(pin) }
  const signed = (scheme: SignatureScheme) =>
    Effect.gen(function* () {
      const chosen = yield* cryptoki.ask("ChooseScheme", { offered: [scheme], key }, within)
      expect(chosen.scheme).toBe(scheme)
      const { signature } = yield* cryptoki.ask("Sign", { key: chosen.key, scheme, message }, within)
      const spki = yield* cryptoki.ask("PublicKey", { key: chosen.key }, within)
      return verifies(scheme, spki, signature) ? [scheme] : []
    })
  const done = await Effect.runPromise(Effect.result(Effect.forEach(schemes, signed)))
  return Result.isSuccess(done)
    ? { refusal: undefined, answer: done.success.flat().join(" ") }
    : { refusal: told(done.failure), answer: "" }
}

const told = (refusal: TokenRefusal | { readonly _tag: string }): string => JSON.stringify(refusal)

/** The salt is as long as the hash, as TLS 1.3 wants it (RFC 8446, 4.2.3). */
const verifies = (scheme: SignatureScheme, spki: Uint8Array, signature: Uint8Array): boolean => {
  const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" })
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
  return verify(scheme.slice(-6), message, scheme.startsWith("rsa_pss") ? { key, ...pss } : key, signature)
}

const noKeys: { readonly "p11-kit trust": Exception } = {
  "p11-kit trust": { reason: "it holds certificates, no keys", says: /KeyNotFound/ }
}

const signing = (
  name: string,
  object: string,
  schemes: ReadonlyArray<SignatureScheme>,
  more: Pick<Behaviour, "except"> & { readonly before?: (bench: TokenBench) => Promise<string | undefined> } = {}
): Behaviour => ({
  name: `TLS signature ${name}`,
  does: async (bench) => {
    const refusal = await more.before?.(bench)
    return refusal === undefined ? signs(bench, object, schemes) : { refusal, answer: "" }
  },
  proves: (_bench, { answer }) => expect(answer).toBe(schemes.join(" ")),
  except: { ...noKeys, ...more.except }
})

/** No command of ours makes a P-521 key; one that is there is used. Answers what pkcs11-tool said, if it failed. */
const makeP521 = async (bench: TokenBench): Promise<string | undefined> => {
  if (bench.place.logins) return undefined
  try {
    bench.pkcs11Tool("--keypairgen", "--key-type", "EC:secp521r1", "--id", "04", "--label", "key-p521")
    // A TPM's module reads the keys when it is loaded, and a token host that is seconds old is not replaced.
    await bench.endCryptoki()
    return undefined
  } catch (error) {
    return String(error)
  }
}

export const noRsa4096 = "swtpm has no RSA 4096"

export const signingBehaviours: ReadonlyArray<Behaviour> = [
  signing("ECDSA P-256", "key-p256", ["ecdsa_secp256r1_sha256"]),
  signing("ECDSA P-384", "key-p384", ["ecdsa_secp384r1_sha384"]),
  signing("ECDSA P-521", "key-p521", ["ecdsa_secp521r1_sha512"], {
    before: makeP521,
    except: {
      "TPM 2.0": {
        reason: "tpm2-pkcs11 1.9 makes the key, and then cannot read the point it wrote",
        says: /C_SignInit.*CKR_HOST_MEMORY.*d2i_ASN1_OCTET_STRING/
      }
    }
  }),
  ...[2048, 3072, 4096].flatMap((bits) => {
    const except = bits === 4096 ? { "TPM 2.0": { reason: noRsa4096, says: /KeyNotFound/ } } : {}
    const key = `key-rsa${bits}`
    return [
      signing(`RSA ${bits} PSS`, key, ["rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512"], {
        except
      }),
      signing(`RSA ${bits} PKCS#1`, key, ["rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512"], { except })
    ]
  })
]
