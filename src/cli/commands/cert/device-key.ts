/**
 * The device's key for certificates: its public key, and a signer.
 *
 * In a token: found once, signs once. In a file: read here, and stays in this process.
 */
import {
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signWithKey,
  verify as verifySignature
} from "node:crypto"
import { Effect } from "effect"
import { readPrivateKey } from "../../../actors/mqtt/dial/credentials.ts"
import {
  type FileExists,
  KeyCannotCertify,
  type KeyRequired,
  SignatureNotVerified
} from "../../../messages/certificate.ts"
import type { FileNotWritten } from "../../../messages/connect.ts"
import type { CryptokiProtocol, KeySelector } from "../../../messages/cryptoki.ts"
import type { CredentialUnusable } from "../../../messages/mqtt.ts"
import { isTooOld, tellsNoPublicKey } from "../../../messages/service-fragments.ts"
import type { TokenRefusal } from "../../../messages/token-refusals.ts"
import { publicKeyInfo } from "../../../platform/tls/tls-certificates.ts"
import { type CertificateScheme, signed, type Unsigned } from "../../../platform/tls/x509.ts"
import type { AskFailed } from "../../../runtime/errors.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"
import { writeNewKey } from "./certificate-files.ts"
import { keyRequired } from "./key-required.ts"

export interface DeviceKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array
  readonly scheme: CertificateScheme
  /** The finished PEM. One signature. */
  readonly certify: (unsigned: Unsigned) => Effect.Effect<string, TokenRefusal | AskFailed | SignatureNotVerified>
}

/** Signing may wait for a touch: longer than the token's own limit. */
const signLimit = "70 seconds"

/**
 * `certified`: public key of the current certificate. Selects among several matching keys, and stands for the public key if
 * the service is too old to return it; a signature that does not verify with it is refused.
 */
export const tokenKey = (
  cryptoki: ActorRef<CryptokiProtocol>,
  wanted: KeySelector,
  certified?: KeyObject
): Effect.Effect<DeviceKey, TokenRefusal | AskFailed | KeyCannotCertify | KeyRequired> =>
  Effect.gen(function* () {
    const spki = certified && publicKeyInfo(certified)
    // The URI returned names serial and id: public key and signature come from the same key.
    const { key } = yield* cryptoki
      .ask("ChooseScheme", { offered: [], key: wanted, publicKey: spki }, { within: signLimit })
      .pipe(Effect.catchTags(keyRequired(cryptoki, wanted)))
    const publicKey = yield* cryptoki.ask("PublicKey", { key }, { within: signLimit }).pipe(
      Effect.catchTags({
        SigningServiceRefused: (refusal) =>
          spki !== undefined && (isTooOld(refusal) || tellsNoPublicKey(refusal))
            ? Effect.succeed(spki)
            : Effect.fail(refusal),
        // An old service may close the connection on an unknown request.
        SigningServiceUnreachable: (failure) =>
          spki !== undefined && failure.reason === "closedEarly" ? Effect.succeed(spki) : Effect.fail(failure),
        PublicKeyUnavailable: (refusal) => (spki === undefined ? Effect.fail(refusal) : Effect.succeed(spki))
      })
    )
    const keyObject = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" })
    const scheme = yield* schemeFor(keyObject)
    return {
      publicKey,
      scheme,
      certify: (unsigned) =>
        Effect.gen(function* () {
          const message = unsigned.toBeSigned
          const { signature } = yield* cryptoki.ask("Sign", { key, scheme, message }, { within: signLimit })
          // A CA would refuse it only later; a self-signed certificate would not be checked at all.
          const fits = verifySignature(hashOf(scheme), message, keyObject, signature)
          return fits ? signed(unsigned, signature) : yield* new SignatureNotVerified({ scheme })
        })
    }
  })

/** The key in a PEM file: PKCS#8, SEC1 or PKCS#1. */
export const fileKey = (path: string): Effect.Effect<DeviceKey, CredentialUnusable | KeyCannotCertify> =>
  Effect.flatMap(readPrivateKey(path), ({ key }) => fromPrivateKey(key))

/** Creates a P-256 key file, readable only by its owner. Fails if the file exists. */
export const newFileKey = (
  configDir: string,
  path: string
): Effect.Effect<DeviceKey, FileExists | FileNotWritten | KeyCannotCertify> =>
  Effect.suspend(() => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
    const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString()
    return Effect.andThen(writeNewKey(configDir, path, pem), fromPrivateKey(privateKey))
  })

const fromPrivateKey = (privateKey: KeyObject): Effect.Effect<DeviceKey, KeyCannotCertify> =>
  Effect.map(schemeFor(privateKey), (scheme) => ({
    publicKey: publicKeyInfo(createPublicKey(privateKey)),
    scheme,
    certify: (unsigned) =>
      Effect.sync(() => signed(unsigned, signWithKey(hashOf(scheme), unsigned.toBeSigned, privateKey)))
  }))

/** The schemes are named after their hash. */
const hashOf = (scheme: CertificateScheme): string => `sha${scheme.slice(-3)}`

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
