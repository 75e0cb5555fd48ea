/**
 * Refusals of a token, grouped by what the receiver can do about them.
 *
 * `token` is always a name for display: the label, or the slot if there is none. URIs are printed without PINs.
 */
import { Data } from "effect"
import type { ServiceUserUnknown, SystemFileInvalid } from "./platform.ts"
import type { TokenFamily } from "./token-family.ts"

/** No token matches the URI, or there is no token at all. */
export class TokenNotFound extends Data.TaggedError("TokenNotFound")<{
  /** The URI searched for, PIN redacted; undefined: any token. */
  readonly uri: string | undefined
  /** URIs of the tokens that exist. */
  readonly present: ReadonlyArray<string>
  /** A key of it was needed. */
  readonly forKey?: true
  /** The requested key, if another token has it. */
  readonly onOtherToken?: KeyOnOtherToken
  /** Found by the signing service if there is no token. */
  readonly closed?: ClosedFile
}> {}

/** A file of the module that its process may not use: modules report that as a missing token, or a broken one. */
export interface ClosedFile {
  readonly path: string
  /** Of the process. */
  readonly user: string
  /** `EACCES`, `EPERM`; `EROFS` also in a sandbox that makes the directory read-only. */
  readonly code: string
}

/** Another token with a key that was not found on the requested one. */
export interface KeyOnOtherToken {
  readonly token: string
  /** URI that finds it there. */
  readonly uri: string
  /** The object visible without a login; a private key usually is not. */
  readonly seen: "privateKey" | "publicKey" | "certificate"
}

/** Several tokens match; a command that makes a change does not choose one. */
export class TokenAmbiguous extends Data.TaggedError("TokenAmbiguous")<{
  readonly candidates: ReadonlyArray<string>
}> {}

/** The token was found, the key was not. */
export class KeyNotFound extends Data.TaggedError("KeyNotFound")<{
  readonly uri: string | undefined
  readonly token: string
  readonly onOtherToken: KeyOnOtherToken | undefined
  /** URI of a key that matches but may not sign (CKA_SIGN is false). */
  readonly mayNotSign?: string
  /** URIs of the private keys on the token, if the signing service listed them. */
  readonly present?: ReadonlyArray<string>
}> {}

/** A key with this id already exists. */
export class KeyExists extends Data.TaggedError("KeyExists")<{ readonly token: string; readonly id: string }> {}

/** A key already has this label, and the client has no rule for a second one. */
export class LabelTaken extends Data.TaggedError("LabelTaken")<{
  readonly token: string
  readonly label: string
  /** The key that has it. */
  readonly uri: string
}> {}

/** Several keys match where only one may (delete). */
export class KeyAmbiguous extends Data.TaggedError("KeyAmbiguous")<{ readonly candidates: ReadonlyArray<string> }> {}

/** The URI cannot name a signing key or a token for this request. */
export class UriNotUsable extends Data.TaggedError("UriNotUsable")<{ readonly uri: string; readonly reason: string }> {}

/** The id or label is not valid for a key or token. */
export class NameNotUsable extends Data.TaggedError("NameNotUsable")<{
  readonly what: "id" | "label"
  readonly reason: "empty" | "tooLong" | "controlCharacter" | "blankAtEnd"
  /** In bytes; labels as UTF-8. */
  readonly longest: number
}> {}

/** The URI is outside the scope set by `device.cryptoki.uri`. */
export class OutsideScope extends Data.TaggedError("OutsideScope")<{ readonly uri: string; readonly scope: string }> {}

/** The token requires a PIN, and none is configured. */
export class PinMissing extends Data.TaggedError("PinMissing")<{ readonly token: string }> {}

/** The token refused the PIN, or it is not tried because that may lock the token. */
export class PinRejected extends Data.TaggedError("PinRejected")<{
  readonly token: string
  readonly reason: /** The token said so, just now. */
    | "incorrect"
    /** This PIN was refused before; it was not tried again. */
    | "latched"
    /** Two different PINs were refused; none is tried until a person clears the latch. */
    | "latchedAll"
    /** One PIN was refused; the other attempt is reserved for the PIN that last succeeded, or for the configured one. */
    | "reserved"
    /** A PIN of this client was refused; the remaining attempts are reserved for others. */
    | "clientTried"
    /** This client sent too many wrong PINs: its PINs are not checked until `until`. */
    | "paused"
    /** Two logins had an unknown outcome, and no PIN has succeeded: `detail` has the reason. */
    | "unanswered"
    /** A login had an unknown outcome, and the token counts a wrong PIN (CKF_USER_PIN_COUNT_LOW). */
    | "countLow"
    /** The record of refused PINs cannot be read (`detail`: its path). */
    | "recordUnreadable"
    /** The record of refused PINs was written by a newer version (`detail`: its path). */
    | "recordNewer"
    | "locked"
    | "expired"
    /** The token has one attempt left; it is reserved for a person. */
    | "finalTry"
    /** The token was opened with another PIN; a login is not shared. */
    | "differs"
    /** Its length or characters are not accepted by the token. */
    | "invalid"
  /** Which PIN; absent: the user PIN of the settings or the request. `current`: the old one of a change. */
  readonly pin?: "so" | "current"
  /** If known, and if the hint depends on it. */
  readonly family?: TokenFamily
  readonly detail?: string
  /** The time in ISO 8601, and milliseconds until then. */
  readonly until?: string
  readonly forMs?: number
}> {}

/** Logins are delayed, for a temporary reason. */
export class LoginDelayed extends Data.TaggedError("LoginDelayed")<{
  readonly token: string
  readonly reason: /** The last login had an unknown outcome: `detail` tells how. */
    | "unanswered"
    /** Another process has held the token's login lock all the time: `detail` is its process id, if known. */
    | "otherProcess"
    /** The limit of logins per minute is reached. */
    | "tooOften"
  readonly detail: string
  /** Until the next login, in milliseconds; undefined: unknown. */
  readonly retryInMs: number | undefined
}> {}

/** The record of the token's refused PINs could not be cleared; they remain latched. */
export class LatchNotCleared extends Data.TaggedError("LatchNotCleared")<{
  readonly token: string
  readonly uri: string
  /** Where the records are, or should be. */
  readonly directory: string
  /** `noDirectory`: the service that refused the PIN keeps its records elsewhere. */
  readonly reason: "noPermission" | "noDirectory"
}> {}

/** The PKCS#11 library is unusable. */
export class ModuleNotLoaded extends Data.TaggedError("ModuleNotLoaded")<{
  readonly path: string
  readonly reason:
    | "missing"
    | "noPermission"
    | "notAModule"
    | "wrongArchitecture"
    | "pkcs11jsMissing"
    /** The host could not become the services' user. */
    | "notItsUser"
    /** A sandbox closes the device node that the module opens (`detail`: its path). */
    | "deviceClosed"
    | "other"
  /** Message of the loader or the module, at most some lines. */
  readonly detail: string
  /** The services' user, who was to load it instead of root; undefined: the caller itself. */
  readonly user?: string | undefined
}> {}

/** The operating system did not start the process that loads the module. */
export class HostNotStarted extends Data.TaggedError("HostNotStarted")<{
  /** `EMFILE`, `ENOMEM`, `EAGAIN`, `ENOENT` and the like. */
  readonly reason: string
  /** Path of the Node executable. */
  readonly program: string
}> {}

/** A request ended with an internal error. */
export class TokenActorFailed extends Data.TaggedError("TokenActorFailed")<{
  readonly token: string
  /** `parked`: it failed too often, and accepts no requests for some minutes. */
  readonly state: "restarted" | "parked"
  /** Of `parked`: when requests are accepted again. */
  readonly retryInMs?: number
}> {}

/** A call exceeded its time limit; the token host was replaced. */
export class TokenTimeout extends Data.TaggedError("TokenTimeout")<{
  readonly token: string
  readonly call: string
  readonly afterMs: number
  /** What the module printed meanwhile. */
  readonly detail: string
  readonly family?: TokenFamily
}> {}

/** The token host exited during the request (the module crashed, or was killed). */
export class TokenHostDied extends Data.TaggedError("TokenHostDied")<{
  readonly token: string
  readonly call: string
  readonly signal: string | undefined
  readonly detail: string
}> {}

/** The token was in use and is unavailable; retried automatically. */
export class TokenUnavailable extends Data.TaggedError("TokenUnavailable")<{
  readonly token: string
  /** PKCS#11 function and code that revealed it, if any. */
  readonly call: string | undefined
  readonly code: string | undefined
  readonly detail: string
  readonly family?: TokenFamily
  /** Found by the signing service. */
  readonly closed?: ClosedFile
}> {}

/** Neither an object nor a certificate on the token contains the public key. */
export class PublicKeyUnavailable extends Data.TaggedError("PublicKeyUnavailable")<{ readonly token: string }> {}

/** The key cannot sign with the scheme. */
export class SchemeNotSupported extends Data.TaggedError("SchemeNotSupported")<{
  readonly token: string
  readonly scheme: string
  readonly keyType: string
}> {}

/** The token does not support key generation over PKCS#11. */
export class KeyGenerationUnsupported extends Data.TaggedError("KeyGenerationUnsupported")<{
  readonly token: string
  readonly family: TokenFamily
  /** The return code of C_GenerateKeyPair. */
  readonly code: string
}> {}

/** Generating a key, initialising, or changing a PIN was interrupted; its outcome is unknown. */
export class OutcomeUnknown extends Data.TaggedError("OutcomeUnknown")<{
  readonly token: string
  readonly operation: "create-key" | "init" | "change-pin" | "delete-key"
}> {}

/** The module returned an error code that has no specific handling. */
export class TokenError extends Data.TaggedError("TokenError")<{
  readonly token: string
  /** `C_Sign` and the like. */
  readonly call: string
  /** `CKR_DEVICE_ERROR` and the like; unknown ones as `0x80000123`. */
  readonly code: string
  /** What the module printed meanwhile. */
  readonly detail: string
}> {}

/** The settings do not configure access to a token: mode, module path or socket path is missing. */
export class CryptokiOff extends Data.TaggedError("CryptokiOff")<{ readonly missing: string }> {}

/** tedge-p11-server does not respond on its socket. */
export class SigningServiceUnreachable extends Data.TaggedError("SigningServiceUnreachable")<{
  readonly socketPath: string
  readonly reason: "missing" | "noPermission" | "refused" | "silent" | "closedEarly" | "foreign" | "other"
  /** `foreign`: the user id of the socket's owner. */
  readonly detail: string
}> {}

/** tedge-p11-server refused the request; the message is its own. */
export class SigningServiceRefused extends Data.TaggedError("SigningServiceRefused")<{
  readonly message: string
  /** Source of the request's PIN, `--pin`; undefined: it had none. */
  readonly ownPin?: string | undefined
  /** The service lists the token that it does not find. */
  readonly isListed?: boolean
}> {}

/** The response is invalid in the protocol of tedge-p11-server. */
export class SigningServiceResponseInvalid extends Data.TaggedError("SigningServiceResponseInvalid")<{
  readonly socketPath: string
  readonly detail: string
}> {}

export type TokenRefusal =
  | TokenNotFound
  | TokenAmbiguous
  | KeyNotFound
  | KeyExists
  | LabelTaken
  | KeyAmbiguous
  | UriNotUsable
  | NameNotUsable
  | OutsideScope
  | PinMissing
  | PinRejected
  | LoginDelayed
  | LatchNotCleared
  | ModuleNotLoaded
  | HostNotStarted
  | TokenActorFailed
  | TokenTimeout
  | TokenHostDied
  | TokenUnavailable
  | PublicKeyUnavailable
  | SchemeNotSupported
  | KeyGenerationUnsupported
  | OutcomeUnknown
  | TokenError
  | CryptokiOff
  | ServiceUserUnknown
  | SystemFileInvalid
  | SigningServiceUnreachable
  | SigningServiceRefused
  | SigningServiceResponseInvalid
