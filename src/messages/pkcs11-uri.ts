/**
 * PKCS#11 URIs: how users name a token or a key.
 *
 * Source: RFC 7512, section 2.3 (syntax), 2.4 (comparison).
 */
import { Data, type Redacted } from "effect"

/** A parsed URI. Text attributes are decoded UTF-8; what is absent matches everything. */
export interface Pkcs11Uri {
  readonly token?: string
  readonly manufacturer?: string
  readonly serial?: string
  readonly model?: string
  readonly libraryManufacturer?: string
  readonly libraryVersion?: string
  readonly libraryDescription?: string
  /** CKA_LABEL. */
  readonly object?: string
  readonly type?: "private" | "public" | "cert" | "secret-key" | "data"
  /** CKA_ID, raw bytes. */
  readonly id?: Uint8Array
  readonly slotManufacturer?: string
  readonly slotDescription?: string
  readonly slotId?: number
  /** Query attributes. */
  readonly pinValue?: Redacted.Redacted<string>
  readonly pinSource?: string
  readonly moduleName?: string
  readonly modulePath?: string
  /** Attributes we do not know, as written; they never widen a match. */
  readonly unknown?: ReadonlyArray<readonly [name: string, value: string]>
}

export class InvalidPkcs11Uri extends Data.TaggedError("InvalidPkcs11Uri")<{
  /** The text with any PIN redacted. */
  readonly uri: string
  readonly reason:
    | "missing-scheme"
    | "duplicate-attribute"
    | "bad-percent-encoding"
    | "bad-character"
    | "not-utf8"
    | "bad-number"
    | "bad-type"
    | "no-value"
    | "too-long"
  /** The attribute it is about, if one. */
  readonly attribute: string | undefined
}> {}
