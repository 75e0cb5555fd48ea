/** Refusals of the `tedge cert` commands themselves. */
import { Data } from "effect"
import type { MqttRefusal } from "./mqtt.ts"
import type { KeyNotFound, SigningServiceRefused, TokenNotFound } from "./token-refusals.ts"

/** An existing file would be overwritten. Nothing was written. */
export class FileExists extends Data.TaggedError("FileExists")<{
  readonly path: string
  /** `other`: not a certificate, request or key. */
  readonly role: "certificate" | "key" | "other"
}> {}

/** Two settings name the same file, so the command would overwrite one with the other. Nothing was written. */
export class SameFile extends Data.TaggedError("SameFile")<{
  readonly path: string
  /** The key's first: `device.key_path`. Options too: `--output-path`. */
  readonly names: readonly [string, string]
}> {}

/** There is no key for the certificate, and none is created automatically. */
export class KeyRequired extends Data.TaggedError("KeyRequired")<{
  readonly cause: KeyNotFound | TokenNotFound | SigningServiceRefused
  /** URIs of the private keys or tokens that exist; the settings select none of them. */
  readonly present: ReadonlyArray<string>
  /** The settings name one of `present`: the signing service lists it, but does not use it. */
  readonly isListed: boolean
  /** The signing service lists the keys of another token than the one named: its own scope decides. */
  readonly isOtherToken?: boolean
  /** The signing service is too old to list keys or tokens, and so to create a key. */
  readonly isServiceOld?: boolean
}> {}

/** The token's signature does not verify with its public key. Nothing was written. */
export class SignatureNotVerified extends Data.TaggedError("SignatureNotVerified")<{ readonly scheme: string }> {}

/** The file is not a certificate signing request for this device. */
export class RequestUnusable extends Data.TaggedError("RequestUnusable")<{
  readonly path: string
  readonly reason: "unreadable" | "notARequest" | "der" | "otherKey"
  readonly detail: string
}> {}

/** The value of an option is not a host. */
export class HostInvalid extends Data.TaggedError("HostInvalid")<{ readonly option: string; readonly text: string }> {}

/** The cloud's CA requires the device's access token, which is requested over the bridge. */
export class AccessTokenMissing extends Data.TaggedError("AccessTokenMissing")<{
  /** `c8y` or `c8y --profile prod`. */
  readonly words: string
  /** Undefined: the local broker is reachable, but no response came. */
  readonly cause: MqttRefusal | undefined
}> {}

/** The text cannot be a certificate's common name. */
export class CommonNameInvalid extends Data.TaggedError("CommonNameInvalid")<{
  readonly name: string
  readonly reason: "empty" | "tooLong" | "characters"
}> {}

/** Only self-signed certificates can be renewed by the device itself. */
export class NotSelfSigned extends Data.TaggedError("NotSelfSigned")<{ readonly path: string }> {}

/** The cloud has no such service. */
export class NotSupportedByCloud extends Data.TaggedError("NotSupportedByCloud")<{
  readonly cloud: "az" | "aws"
  readonly service: "renewal" | "upload" | "enrolment"
}> {}

/** The key can sign for TLS, but not certificates or requests. */
export class KeyCannotCertify extends Data.TaggedError("KeyCannotCertify")<{ readonly keyType: string }> {}

/** The server responded with an error status. */
export class HttpRefused extends Data.TaggedError("HttpRefused")<{
  readonly method: string
  /** Without user name, password, query. */
  readonly url: string
  readonly status: number
  /** The server's message, at most some lines. */
  readonly detail: string
}> {}

/** The server was not reached, or not trusted. */
export class HttpUnreachable extends Data.TaggedError("HttpUnreachable")<{
  readonly url: string
  /** Of Node or OpenSSL; with `proxy` possibly the status of its response (`407`). */
  readonly code: string
  readonly detail: string
  /** The proxy that denied the host, without user name and password. */
  readonly proxy?: string
}> {}

/** Codes of OpenSSL and Node for a server certificate that failed verification. */
export const isDistrust = ({ code }: HttpUnreachable): boolean =>
  /CERT|SELF_SIGNED|ISSUER|VERIFY|INVALID_|TOO_SMALL|TOO_WEAK/.test(code)

/** The server's response does not contain the certificate. */
export class EnrolmentResponseInvalid extends Data.TaggedError("EnrolmentResponseInvalid")<{
  readonly url: string
  readonly reason: "notPkcs7" | "noCertificate" | "otherKey" | "notJson"
}> {}

/** The device was not registered in time. */
export class EnrolmentTimedOut extends Data.TaggedError("EnrolmentTimedOut")<{
  readonly url: string
  readonly afterMs: number
}> {}

/** The value of an option is not a duration. */
export class DurationInvalid extends Data.TaggedError("DurationInvalid")<{
  readonly option: string
  readonly text: string
}> {}

export type CertificateRefusal =
  | KeyRequired
  | SignatureNotVerified
  | RequestUnusable
  | HostInvalid
  | AccessTokenMissing
  | DurationInvalid
  | FileExists
  | SameFile
  | CommonNameInvalid
  | NotSelfSigned
  | NotSupportedByCloud
  | KeyCannotCertify
  | HttpRefused
  | HttpUnreachable
  | EnrolmentResponseInvalid
  | EnrolmentTimedOut

/** Where a renewed certificate is stored until a connection with it succeeds. */
export const pendingPath = (certPath: string): string => `${certPath}.new`
