/** Why a text is not a valid value of a setting, and warnings about settings. Facts, no prose. */
import type { ServiceUserUnknown, SystemFileInvalid } from "../platform.ts"

export type ValueProblem =
  | { readonly kind: "not-boolean" }
  | { readonly kind: "not-integer" }
  | { readonly kind: "out-of-range"; readonly min: number; readonly max: number }
  | { readonly kind: "not-a-choice"; readonly choices: ReadonlyArray<string> }
  /** Only a host is valid here: no scheme, port or path. */
  | { readonly kind: "not-a-host" }
  | { readonly kind: "not-a-host-port"; readonly part: "host" | "port" }
  | { readonly kind: "not-an-ip" }
  | { readonly kind: "not-a-duration" }
  | { readonly kind: "not-a-keep-alive" }
  /** Valid in MQTT, but refused by this cloud. */
  | { readonly kind: "cloud-keep-alive"; readonly minSeconds: number; readonly maxSeconds: number }
  | { readonly kind: "device-id-character"; readonly character: string }
  | { readonly kind: "device-id-too-long"; readonly max: number }
  | { readonly kind: "not-a-file-mode" }
  | { readonly kind: "not-limits" }
  | { readonly kind: "bad-topic-prefix"; readonly because: "empty" | "hash" | "plus" | "reserved" }
  /** Of topic filters, if the value is to be a part of topics. */
  | { readonly kind: "wildcard"; readonly character: string }
  /** `character`: its code point, `U+000A`. */
  | { readonly kind: "control-character"; readonly character: string }
  | { readonly kind: "bad-topic-id" }
  | { readonly kind: "bad-proxy-url"; readonly because: "scheme" | "username" | "password" | "syntax" }
  /** In the file: for example a number instead of a text. */
  | { readonly kind: "wrong-type"; readonly expected: string; readonly found: string }
  /** RFC 7512 syntax; `reason` as in InvalidPkcs11Uri. */
  | { readonly kind: "bad-pkcs11-uri"; readonly reason: string }
  /** A URI with a PIN that would also apply to `section`, given as the prefix of its keys. */
  | { readonly kind: "pin-of-others"; readonly section: string }

/** The source of a value. */
export type ValueSource =
  | { readonly kind: "argument" }
  | { readonly kind: "variable"; readonly variable: string }
  | { readonly kind: "file"; readonly path: string }
  /** Of the service, passed by systemd. */
  | { readonly kind: "credential"; readonly path: string }
  | { readonly kind: "certificate"; readonly path: string }
  /** Another setting. */
  | { readonly kind: "fallback"; readonly key: string }
  | { readonly kind: "default" }

/** Warnings; nothing is refused for them. */
export type SettingWarning =
  | {
      readonly kind: "deprecated-key"
      readonly given: string
      readonly key: string
      readonly source: ValueSource
    }
  /** It is set, and nothing here uses it. */
  | { readonly kind: "no-effect"; readonly key: string }
  | { readonly kind: "unknown-key"; readonly key: string; readonly source: ValueSource }
  /** Both the setting and an older name of it are set; the older one is ignored. */
  | { readonly kind: "ignored-key"; readonly given: string; readonly key: string; readonly source: ValueSource }
  /**
   * The file contains a PIN or a password and others can read it. `mode` is octal: `644`. `isOldPlace`: it is a settings file
   * out of which `config upgrade` moves the secret.
   */
  | { readonly kind: "secret-exposed"; readonly path: string; readonly mode: string; readonly isOldPlace?: true }
  /** A copy left by an upgrade contains a PIN or a password. `mode` is octal. */
  | { readonly kind: "secret-copy"; readonly path: string; readonly mode: string }
  /** tedge.toml has a table for a cloud whose settings are in their own files. */
  | { readonly kind: "ignored-table"; readonly table: string; readonly path: string; readonly instead: string }
  /**
   * It is in a file that thin-edge's own programs write without it, or that is world-readable; `to` is ours. `part`: only
   * the PIN in the URI.
   */
  | {
      readonly kind: "old-place"
      readonly key: string
      readonly part?: "pin"
      readonly path: string
      readonly to: string
    }
  /** The PIN of a URI that was set was stored separately, as `pinKey`, in `to`. */
  | { readonly kind: "pin-apart"; readonly key: string; readonly pinKey: string; readonly to: string }
  /** The PIN stays in the URI: as a setting of its own it would also apply to `section`, given as the prefix of its keys. */
  | { readonly kind: "pin-kept"; readonly key: string; readonly path: string; readonly section: string }
  /** The PIN of a URI was removed from `path`: `pinKey` in `to` has another one, which takes precedence. */
  | {
      readonly kind: "pin-dropped"
      readonly key: string
      readonly pinKey: string
      readonly path: string
      readonly to: string
    }
  /** The file of PINs and passwords is unusable; they are not listed. */
  | {
      readonly kind: "secrets-left-out"
      readonly path: string
      readonly problem: { readonly kind: "unreadable"; readonly code: string } | { readonly kind: "malformed" }
    }
  /** A program of thin-edge itself, installed here, does not read what was just written to `path`. */
  | {
      readonly kind: "not-read-by"
      readonly program: string
      /** `tedge-mapper-<cloud>` if the setting applies to each of them. */
      readonly unit: string
      readonly path: string
      readonly variable: string
    }
  /** Only our programs know it: thin-edge's own `tedge`, installed here, drops it at its next write. */
  | { readonly kind: "not-kept"; readonly key: string; readonly unit: string; readonly variable: string }
  /** The written file does not have the intended owner. */
  | { readonly kind: "owner-not-set"; readonly path: string; readonly owner: string; readonly code: string }
  | {
      readonly kind: "owner-unknown"
      readonly path: string
      readonly failure: ServiceUserUnknown | SystemFileInvalid
    }
