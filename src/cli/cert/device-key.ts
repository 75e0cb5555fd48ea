/**
 * The device's key as certificates need it: its public half, and something that signs.
 *
 * In the token it is found once and signs once; in a file it is read here and stays in this process.
 */
import { createPublicKey, generateKeyPairSync, type KeyObject, sign as signWithKey } from "node:crypto"
import { writeFileSync } from "node:fs"
import { Effect } from "effect"
import { readPrivateKey } from "../../actors/mqtt/credentials.ts"
import { FileInTheWay, KeyCannotCertify } from "../../messages/certificate.ts"
import { FileNotWritten } from "../../messages/connect.ts"
import type { CryptokiProtocol, KeySelector } from "../../messages/cryptoki.ts"
import type { CredentialUnusable } from "../../messages/mqtt.ts"
import type { TokenRefusal } from "../../messages/token-refusals.ts"
import { type CertificateScheme, signed, type Unsigned } from "../../platform/x509.ts"
import type { AskFailed } from "../../runtime/errors.ts"
import type { ActorRef } from "../../runtime/protocol.ts"

export interface DeviceKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array
  readonly scheme: CertificateScheme
  /** The finished PEM. One signature. */
  readonly certify: (unsigned: Unsigned) => Effect.Effect<string, TokenRefusal | AskFailed>
}

/** Signing may wait for a touch: longer than the token's own limit. */
const signWithin = "70 seconds"

export const tokenKey = (
  cryptoki: ActorRef<CryptokiProtocol>,
  wanted: KeySelector
): Effect.Effect<DeviceKey, TokenRefusal | AskFailed | KeyCannotCertify> =>
  Effect.gen(function* () {
    // The chosen key names serial and id: public half and signature cannot come from two keys.
    const { key } = yield* cryptoki.ask("ChooseScheme", { offered: [], key: wanted }, { within: signWithin })
    const publicKey = yield* cryptoki.ask("PublicKey", { key }, { within: signWithin })
    const scheme = yield* schemeFor(createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" }))
    return {
      publicKey,
      scheme,
      certify: (unsigned) =>
        Effect.map(
          cryptoki.ask("Sign", { key, scheme, message: unsigned.toBeSigned }, { within: signWithin }),
          (signature) => signed(unsigned, signature)
        )
    }
  })

/** The key in a PEM file: PKCS#8, SEC1 or PKCS#1. */
export const fileKey = (path: string): Effect.Effect<DeviceKey, CredentialUnusable | KeyCannotCertify> =>
  Effect.flatMap(readPrivateKey(path), ({ key }) => fromPrivateKey(key))

/** Makes a P-256 key file that only its owner can read. An existing file is left alone. */
export const newFileKey = (path: string): Effect.Effect<DeviceKey, FileInTheWay | FileNotWritten | KeyCannotCertify> =>
  Effect.gen(function* () {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
    yield* Effect.try({
      try: () => writeFileSync(path, privateKey.export({ type: "pkcs8", format: "pem" }), { flag: "wx", mode: 0o400 }),
      catch: (cause) => {
        const code = codeOf(cause)
        return code === "EEXIST" ? new FileInTheWay({ path, role: "key" }) : new FileNotWritten({ path, code })
      }
    })
    return yield* fromPrivateKey(privateKey)
  })

const fromPrivateKey = (privateKey: KeyObject): Effect.Effect<DeviceKey, KeyCannotCertify> =>
  Effect.map(schemeFor(privateKey), (scheme) => ({
    publicKey: new Uint8Array(createPublicKey(privateKey).export({ type: "spki", format: "der" })),
    scheme,
    certify: (unsigned) =>
      Effect.sync(() => signed(unsigned, signWithKey(`sha${scheme.slice(-3)}`, unsigned.toBeSigned, privateKey)))
  }))

const curves: Readonly<Record<string, CertificateScheme>> = {
  prime256v1: "ecdsa_secp256r1_sha256",
  secp384r1: "ecdsa_secp384r1_sha384",
  secp521r1: "ecdsa_secp521r1_sha512"
}

const schemeFor = (key: KeyObject): Effect.Effect<CertificateScheme, KeyCannotCertify> => {
  const curve = key.asymmetricKeyDetails?.namedCurve
  const scheme = key.asymmetricKeyType === "rsa" ? "rsa_pkcs1_sha256" : curve === undefined ? undefined : curves[curve]
  return scheme === undefined
    ? Effect.fail(new KeyCannotCertify({ keyType: curve ?? key.asymmetricKeyType ?? "unknown" }))
    : Effect.succeed(scheme)
}

const codeOf = (cause: unknown): string => (cause as NodeJS.ErrnoException).code ?? "unknown"
