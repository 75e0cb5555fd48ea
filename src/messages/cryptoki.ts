/**
 * The protocol of CryptokiActor: every use of a private key.
 *
 * Sent by the TLS layer (through the MQTT actors), ConnectActor, P11ServerActor and the `tedge cert` and
 * `tedge hsm` commands. Implemented for a local module, for a socket, and by fakes in tests.
 */
import type { Redacted } from "effect"
import type { Ask } from "../runtime/protocol.ts"
import type { Pkcs11Uri } from "./pkcs11-uri.ts"
import type { KeyAlgorithm, SignatureScheme } from "./signature-scheme.ts"
import type { TokenRefusal } from "./token-refusals.ts"

/** The key and the PIN to use. Without a URI: the first key of the first token. */
export interface KeySelector {
  readonly uri?: Pkcs11Uri
  /** User PIN. A `pin-value` in the URI takes precedence over it; the configured default comes last. */
  readonly pin?: Redacted.Redacted<string>
  /** Source of `pin`, for refusals: `--pin`, `device.key_pin in '/etc/tedge/secrets.toml'`. */
  readonly pinFrom?: string | undefined
  /**
   * User id of the signing service's unprivileged client that sent the PIN: wrong PINs are counted for it.
   * Absent: this process, root, or the service's own user.
   */
  readonly client?: ClientId
}

/** A PIN and its source; both may be absent. */
export type PinGiven = Pick<KeySelector, "pin" | "pinFrom">

/** A user id; `unknown`: the kernel did not report it. */
export type ClientId = number | "unknown"

/** The token and the PIN to use. */
export type TokenSelector = KeySelector

/** The state of the user PIN that a token reports without login (CK_TOKEN_INFO flags). `countLow`: a wrong PIN was entered. */
export type UserPinState = "notNeeded" | "notSet" | "ready" | "countLow" | "finalTry" | "locked"

export interface TokenDescription {
  /** CK_SLOT_ID. Not stable: slots are renumbered when tokens come and go. */
  readonly slot: number
  readonly label: string
  readonly model: string
  readonly manufacturer: string
  readonly serial: string
  readonly initialized: boolean
  /** Undefined: not reported by version 1 of the signing service's protocol. */
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
  /** Of a private key. Undefined: not reported by the signing service's protocol. */
  readonly otherUses?: ReadonlyArray<OtherKeyUse> | undefined
}

/** Permitted uses of a private key besides signing: CKA_DECRYPT, CKA_UNWRAP, CKA_SIGN_RECOVER, CKA_DERIVE. */
export type OtherKeyUse = "decrypt" | "unwrap" | "sign-recover" | "derive"

export type KeyParameters =
  | { readonly type: "ecdsa"; readonly curve: "p256" | "p384" }
  | { readonly type: "rsa"; readonly bits: 2048 | 3072 | 4096 }

/** A key that was found; `key` selects exactly this one. */
export interface ChosenKey {
  /** Names the key by serial and id (in socket mode the protocol does not report it: as requested). */
  readonly key: KeySelector
  readonly algorithm: KeyAlgorithm
  /** The key's preferred scheme among those offered; undefined if none fits. */
  readonly scheme: SignatureScheme | undefined
}

export interface Signed {
  /** ECDSA: DER Ecdsa-Sig-Value (RFC 3279, 2.2.3). RSA: raw, as long as the modulus. */
  readonly signature: Uint8Array
  /** The key that signed; undefined in socket mode, where the protocol does not report it. */
  readonly key: Pkcs11Uri | undefined
  /** Undefined: signed in another process. */
  readonly times?: SigningTimes
}

/** Where the time of a signature went. Timestamps are of `processMonotonicMs`. */
export interface SigningTimes {
  /** The token's actor started the request. */
  readonly takenAt: number
  /** Session, login and key were ready. */
  readonly readyAt: number
  /** A permit was acquired, and the token host called. */
  readonly askedAt: number
  readonly answeredAt: number
  /** Duration in the module, in the token host. */
  readonly signMs: number
}

export type CryptokiProtocol = {
  /** Responds even while tokens hang: it checks the actors, one per token, not the tokens. */
  readonly Ping: Ask<void, void>
  readonly ChooseScheme: Ask<
    {
      readonly offered: ReadonlyArray<SignatureScheme>
      readonly key: KeySelector
      /**
       * Public key of the certificate: SubjectPublicKeyInfo, DER. Among several matching keys it selects that key; otherwise the
       * first is used.
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
  /** Returns the SubjectPublicKeyInfo (RFC 5280, 4.1.2.7), DER. */
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
      /** Refuses a label that a key on the token already has. */
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
  /** Returns the URIs of the destroyed objects. */
  readonly DeleteKey: Ask<{ readonly key: KeySelector }, ReadonlyArray<Pkcs11Uri>, TokenRefusal>
  /** Clears the PIN latch of a token (on a person's command). Returns whether a PIN was latched. */
  readonly ClearPinLatch: Ask<{ readonly token: TokenSelector }, boolean, TokenRefusal>
}

/** All but Ping, which has priority. */
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

/** Events of CryptokiActor. They cause log lines, health changes and early retries of the links. */
export type CryptokiEvent =
  | { readonly _tag: "TokenPlugged"; readonly token: string }
  /** `reason`: the tag of the refusal that revealed it. */
  | { readonly _tag: "TokenGone"; readonly token: string; readonly reason: string }
  | { readonly _tag: "SeveralTokensMatched"; readonly taken: string; readonly others: ReadonlyArray<string> }
  | { readonly _tag: "SeveralKeysMatched"; readonly taken: string; readonly others: ReadonlyArray<string> }
  | { readonly _tag: "DefaultPinTried"; readonly token: string }
  /** The signature takes long: the token may wait for a touch. */
  | { readonly _tag: "TokenWaits"; readonly token: string; readonly forMs: number }
  /** Number of key pairs on it, close to its known capacity. */
  | { readonly _tag: "TokenNearlyFull"; readonly token: string; readonly keys: number }
  | { readonly _tag: "HostReplaced"; readonly token: string; readonly reason: string }
  /** The PIN was refused. `isLocked`: the token is locked. */
  | { readonly _tag: "PinLatched"; readonly token: string; readonly isLocked?: true }
  /** The login failed without a verdict on the PIN: `detail` has the reason. `retryInMs` undefined: not retried. */
  | {
      readonly _tag: "LoginUnanswered"
      readonly token: string
      readonly detail: string
      readonly retryInMs: number | undefined
    }
  /** A client of the signing service sent too many wrong PINs. */
  | { readonly _tag: "ClientPinsPaused"; readonly token: string; readonly client: ClientId; readonly forMs: number }
  /** Refused PINs cannot be stored on disk: each process knows only its own. Published once. */
  | { readonly _tag: "LatchNotKept"; readonly directory: string; readonly code: string }
