/**
 * Requests to a token host and its responses: the content of the frames. Parent and host are the same program and version.
 *
 * A host handles slots, sessions and handles, and makes no decisions: which token, which key, whether to log in and
 * what a fault means is decided by the parent. Slot ids and object handles are decimal text, as 64 bits do not fit a number.
 */
import type {
  Attribute,
  LibraryFacts,
  LoadReason,
  MechanismCandidate,
  PublicKeyMaterial,
  TokenInfo,
  TokenObject
} from "../pkcs11/values.ts"

/** Signatures a host runs at once, per slot. Beyond four SoftHSM2 gains nothing, and hardware runs one at a time. */
export const parallelSigns = 4

/** Signatures that may be queued in a host whose token is quick, so that it never waits for the next one. */
export const queuedSigns = 64

/** Request name -> request and response. */
export type HostRequests = {
  /** Loads and initialises the module. The first request of every host. */
  readonly load: {
    readonly asked: {
      readonly path: string
      /** Device nodes that the module opens, as far as they are known. */
      readonly devices: ReadonlyArray<string>
    }
    readonly answer: LibraryFacts
  }
  /** Every slot with a token, in the module's order. */
  readonly tokens: { readonly asked: Record<never, never>; readonly answer: ReadonlyArray<TokenInfo> }
  /** Opens the session that keeps the login; returns the token as it is now. */
  readonly open: { readonly asked: { readonly slot: string }; readonly answer: TokenInfo }
  readonly login: {
    readonly asked: { readonly slot: string; readonly pin: string }
    /** False: a login existed already. */
    readonly answer: boolean
  }
  /** Closes every session of the slot. */
  readonly close: { readonly asked: { readonly slot: string }; readonly answer: null }
  readonly objects: {
    readonly asked: {
      readonly slot: string
      readonly kind: TokenObject["kind"]
      readonly id: Uint8Array | undefined
      /** Read `otherUses` too: four more attributes of each private key. */
      readonly uses?: boolean
    }
    readonly answer: ReadonlyArray<TokenObject>
  }
  /** Whether any object of the token has this id. */
  readonly exists: {
    readonly asked: { readonly slot: string; readonly id: Uint8Array }
    readonly answer: boolean
  }
  /** Whether a certificate with all given attributes is visible. */
  readonly hasCertificate: {
    readonly asked: { readonly slot: string; readonly id: Uint8Array | undefined; readonly label: string | undefined }
    readonly answer: boolean
  }
  /** CKA_VALUE of the certificates with all given attributes: DER, unchecked. */
  readonly certificates: {
    readonly asked: { readonly slot: string; readonly id: Uint8Array | undefined; readonly label: string | undefined }
    readonly answer: ReadonlyArray<Uint8Array>
  }
  /** Whether the session is alive and the handle still refers to the object with this id. */
  readonly check: {
    readonly asked: { readonly slot: string; readonly handle: string; readonly id: Uint8Array }
    readonly answer: boolean
  }
  readonly material: {
    readonly asked: { readonly slot: string; readonly handle: string }
    readonly answer: PublicKeyMaterial
  }
  readonly sign: {
    readonly asked: {
      readonly slot: string
      readonly handle: string
      readonly mechanisms: ReadonlyArray<MechanismCandidate>
      /** For CKA_ALWAYS_AUTHENTICATE. */
      readonly contextPin: string | undefined
    }
    /** `mechanismIndex`: the candidate the token accepted. `isQuick`: no thread was needed, nor will be for the next. */
    readonly answer: {
      readonly signature: Uint8Array
      readonly mechanismIndex: number
      readonly isQuick: boolean
      readonly tookMs: number
    }
  }
  /** The result of C_GetMechanismList; reliable only for an error message. */
  readonly mechanisms: { readonly asked: { readonly slot: string }; readonly answer: ReadonlyArray<number> }
  readonly generate: {
    readonly asked: {
      readonly slot: string
      readonly mechanism: number
      readonly publicTemplate: ReadonlyArray<Attribute>
      readonly privateTemplate: ReadonlyArray<Attribute>
    }
    readonly answer: PublicKeyMaterial
  }
  readonly destroy: {
    readonly asked: { readonly slot: string; readonly handles: ReadonlyArray<string> }
    readonly answer: null
  }
  /** C_InitToken, then the user PIN by the SO. The module's view of the slot may be stale afterwards. */
  readonly initToken: {
    readonly asked: { readonly slot: string; readonly label: string; readonly soPin: string; readonly pin: string }
    readonly answer: TokenInfo
  }
  readonly setPin: {
    readonly asked: { readonly slot: string; readonly oldPin: string; readonly newPin: string }
    readonly answer: null
  }
  /** A new user PIN by the SO; closes the slot's sessions, as the standard requires. */
  readonly resetPin: {
    readonly asked: { readonly slot: string; readonly soPin: string; readonly newPin: string }
    readonly answer: null
  }
}

export type HostRequestName = keyof HostRequests

export type HostRequest = {
  readonly [Name in HostRequestName]: {
    readonly call: number
    readonly name: Name
    readonly asked: HostRequests[Name]["asked"]
  }
}[HostRequestName]

/** Why a request failed. */
export type HostRefusal =
  | { readonly kind: "code"; readonly call: string; readonly code: number }
  | {
      readonly kind: "load"
      readonly reason: LoadReason
      readonly detail: string
    }
  /** A defect of the host. */
  | { readonly kind: "defect"; readonly detail: string }

export type HostReply =
  | { readonly call: number; readonly answer: unknown }
  | { readonly call: number; readonly refusal: HostRefusal }
