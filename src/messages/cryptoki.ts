/**
 * The protocol of CryptokiActor: every use of a private key.
 *
 * Sent by the TLS layer (through the MQTT actors), ConnectActor, P11ServerActor and the `tedge cert` and
 * `tedge hsm` commands. A local module, a socket and a fake in a test stand behind the same table.
 */
import type { Redacted } from "effect"
import type { Ask } from "../runtime/protocol.ts"
import type { Pkcs11Uri } from "./pkcs11-uri.ts"
import type { KeyAlgorithm, SignatureScheme } from "./signature-scheme.ts"
import type { TokenRefusal } from "./token-refusals.ts"

/** Which key, and with which PIN. Without a URI the first key of the first token is meant. */
export interface KeySelector {
  readonly uri?: Pkcs11Uri
  /** User PIN. A `pin-value` in the URI takes precedence over it; the configured default comes after it. */
  readonly pin?: Redacted.Redacted<string>
  /** Where `pin` came from, for refusals: `--pin`, `device.key_pin in '/etc/tedge/secrets.toml'`. */
  readonly pinFrom?: string | undefined
  /**
   * The unprivileged client of the signing service who gave the PIN, by user id: wrong ones are counted against it.
   * Absent: this process, root, or the service's own user.
   */
  readonly client?: ClientId
}

/** A PIN and where it came from; both may be absent. */
export type PinGiven = Pick<KeySelector, "pin" | "pinFrom">

/** A user id; `unknown`: the kernel did not report it. */
export type ClientId = number | "unknown"

/** Which token, and with which PIN. */
export type TokenSelector = KeySelector

/** What a token reports of its user PIN without a login (CK_TOKEN_INFO flags). `countLow`: a wrong one was given. */
export type UserPinState = "notNeeded" | "notSet" | "ready" | "countLow" | "finalTry" | "locked"

export interface TokenDescription {
  /** CK_SLOT_ID. Not stable: slots are renumbered when tokens come and go. */
  readonly slot: number
  readonly label: string
  readonly model: string
  readonly manufacturer: string
  readonly serial: string
  readonly initialized: boolean
  /** Undefined: version 1 of the signing service's protocol does not report. */
  readonly userPin?: UserPinState
  readonly uri: Pkcs11Uri
}

export interface KeyDescription {
  readonly kind: "private" | "public"
  readonly keyType: "RSA" | "EC"
  /** CKA_LABEL. */
  readonly label: string
  /** CKA_ID, raw bytes; may be empty. */
  readonly id: Uint8Array
  readonly uri: Pkcs11Uri
  /** Of a private key. Undefined: the signing service's protocol does not report. */
  readonly otherUses?: ReadonlyArray<OtherKeyUse> | undefined
}

/** What a private key may do besides signing: CKA_DECRYPT, CKA_UNWRAP, CKA_SIGN_RECOVER, CKA_DERIVE. */
export type OtherKeyUse = "decrypt" | "unwrap" | "sign-recover" | "derive"

export type KeyParameters =
  | { readonly type: "ecdsa"; readonly curve: "p256" | "p384" }
  | { readonly type: "rsa"; readonly bits: 2048 | 3072 | 4096 }

/** A key, found once; sign with `key` and no other key can be meant. */
export interface ChosenKey {
  /** Names the key by serial and id (in socket mode the protocol does not report: what was asked). */
  readonly key: KeySelector
  readonly algorithm: KeyAlgorithm
  /** The key's preferred scheme among those offered; undefined when none fits. */
  readonly scheme: SignatureScheme | undefined
}

export interface Signed {
  /** ECDSA: DER Ecdsa-Sig-Value (RFC 3279, 2.2.3). RSA: raw, as long as the modulus. */
  readonly signature: Uint8Array
  /** The key that signed; undefined in socket mode, as the protocol does not report. */
  readonly key: Pkcs11Uri | undefined
  /** Undefined: signed in another process. */
  readonly times?: SigningTimes
}

/** What a signature waited for. Moments are of `processMonotonicMs`. */
export interface SigningTimes {
  /** The actor of the token began with the request. */
  readonly takenAt: number
  /** Session, login and key were there. */
  readonly readyAt: number
  /** It was its turn, and the token host was asked. */
  readonly askedAt: number
  readonly answeredAt: number
  /** What the module took, in the token host. */
  readonly signMs: number
}

export type CryptokiProtocol = {
  /** Answers while tokens hang: it shows that the actors live, one for each token, not that the tokens do. */
  readonly Ping: Ask<void, void>
  readonly ChooseScheme: Ask<
    {
      readonly offered: ReadonlyArray<SignatureScheme>
      readonly key: KeySelector
      /**
       * Of the certificate the key is for: SubjectPublicKeyInfo, DER. Of several keys that match, the first is taken
       * unless it is not that one and another is.
       */
      readonly publicKey?: Uint8Array | undefined
    },
    ChosenKey,
    TokenRefusal
  >
  readonly Sign: Ask<
    {
      readonly key: KeySelector
      /** Undefined: the key's preferred scheme. */
      readonly scheme: SignatureScheme | undefined
      /** The message itself, not its hash. */
      readonly message: Uint8Array
    },
    Signed,
    TokenRefusal
  >
  /** Answers the SubjectPublicKeyInfo (RFC 5280, 4.1.2.7), DER. */
  readonly PublicKey: Ask<{ readonly key: KeySelector }, Uint8Array, TokenRefusal>
  readonly ListTokens: Ask<void, ReadonlyArray<TokenDescription>, TokenRefusal>
  readonly ListKeys: Ask<{ readonly token: TokenSelector }, ReadonlyArray<KeyDescription>, TokenRefusal>
  readonly CreateKey: Ask<
    {
      readonly token: TokenSelector
      readonly parameters: KeyParameters
      /** CKA_LABEL, UTF-8. */
      readonly label: string
      /** CKA_ID; undefined: 20 random bytes. */
      readonly id: Uint8Array | undefined
      /** A label that a key on the token has already is refused. */
      readonly onlyNewLabel?: boolean
    },
    { readonly publicKey: Uint8Array; readonly uri: Pkcs11Uri },
    TokenRefusal
  >
  readonly InitToken: Ask<
    {
      readonly token: TokenSelector
      /** At most 32 bytes of UTF-8. */
      readonly label: string
      readonly soPin: Redacted.Redacted<string>
      readonly pin: Redacted.Redacted<string>
    },
    TokenDescription,
    TokenRefusal
  >
  readonly ChangePin: Ask<
    {
      readonly token: TokenSelector
      readonly newPin: Redacted.Redacted<string>
      /** `change`: with the old user PIN of the selector. `reset`: with the SO PIN. */
      readonly by: { readonly kind: "change" } | { readonly kind: "reset"; readonly soPin: Redacted.Redacted<string> }
    },
    TokenDescription,
    TokenRefusal
  >
  /** Answers the URIs of the destroyed objects. */
  readonly DeleteKey: Ask<{ readonly key: KeySelector }, ReadonlyArray<Pkcs11Uri>, TokenRefusal>
  /** Lifts the PIN latch of a token (an explicit command of a person). Answers whether a PIN was latched. */
  readonly ClearPinLatch: Ask<{ readonly token: TokenSelector }, boolean, TokenRefusal>
}

/** All but Ping, which is answered while these wait. */
export const requestTags = [
  "ChooseScheme",
  "Sign",
  "PublicKey",
  "ListTokens",
  "ListKeys",
  "CreateKey",
  "InitToken",
  "ChangePin",
  "DeleteKey",
  "ClearPinLatch"
] as const satisfies ReadonlyArray<keyof CryptokiProtocol>

/** Facts CryptokiActor reports to many. Log lines, health and the links' "try again now" come from them. */
export type CryptokiEvent =
  | { readonly _tag: "TokenPlugged"; readonly token: string }
  /** `reason`: the tag of the refusal that showed it. */
  | { readonly _tag: "TokenGone"; readonly token: string; readonly reason: string }
  | { readonly _tag: "SeveralTokensMatched"; readonly taken: string; readonly others: ReadonlyArray<string> }
  | { readonly _tag: "SeveralKeysMatched"; readonly taken: string; readonly others: ReadonlyArray<string> }
  | { readonly _tag: "DefaultPinTried"; readonly token: string }
  /** The signature takes long: the token may wait for a touch. */
  | { readonly _tag: "TokenWaits"; readonly token: string; readonly forMs: number }
  /** So many key pairs are on it, and it is known to hold few more. */
  | { readonly _tag: "TokenNearlyFull"; readonly token: string; readonly keys: number }
  | { readonly _tag: "HostReplaced"; readonly token: string; readonly reason: string }
  /** The PIN was refused. `isLocked`: and the token takes no other either. */
  | { readonly _tag: "PinLatched"; readonly token: string; readonly isLocked?: true }
  /** The token said nothing about the PIN: `detail` says how the login ended. `retryInMs` undefined: no other is made. */
  | {
      readonly _tag: "LoginUnanswered"
      readonly token: string
      readonly detail: string
      readonly retryInMs: number | undefined
    }
  /** A client of the signing service gave too many wrong PINs. */
  | { readonly _tag: "ClientPinsPaused"; readonly token: string; readonly client: ClientId; readonly forMs: number }
  /** Refused PINs cannot be noted on disk: each process knows only its own. Told once. */
  | { readonly _tag: "LatchNotKept"; readonly directory: string; readonly code: string }
