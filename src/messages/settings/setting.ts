/**
 * A row of the settings table.
 *
 * Rows are data only, so that the fast front end of `tedge config get` can include all of them.
 */

/** The cloud sections of tedge.toml. They alone have profiles. */
export type CloudName = "c8y" | "az" | "aws"

export const cloudNames: ReadonlyArray<CloudName> = ["c8y", "az", "aws"]

/** The cloud whose devices it names: each accepts other characters. `any`: one of them. */
export type DeviceIdRule = CloudName | "any"

export interface CloudKeepAlive {
  readonly minSeconds: number
  readonly maxSeconds: number
  /** Announced at most; undefined: the maximum. */
  readonly announcedSeconds?: number
}

export type SettingType =
  /** `inTopic`: becomes a part of topics, where wildcards are invalid. In a set, applies to each entry. */
  /** `pkcs11Uri` (RFC 7512), `deviceId`: an invalid value is refused when it is set; in a file, where it is used. */
  | { readonly kind: "text"; readonly inTopic?: true; readonly pkcs11Uri?: true; readonly deviceId?: DeviceIdRule }
  /** Absolute once read: a relative one is joined to the working directory (argument, variable) or to the file's directory. */
  | { readonly kind: "path" }
  | { readonly kind: "boolean" }
  | { readonly kind: "integer"; readonly min: number; readonly max: number }
  /** Host name or IP address, nothing else. */
  | { readonly kind: "host" }
  | { readonly kind: "host-port"; readonly defaultPort: number }
  | { readonly kind: "ip" }
  /** Kept as typed: `660`, `0660`. */
  | { readonly kind: "file-mode" }
  /** Kept as typed: `60s`, `1h 30m`, or whole seconds. */
  | { readonly kind: "duration" }
  /** A duration that MQTT can transmit. `cloud`: the range this cloud accepts, in seconds, without 0. */
  | { readonly kind: "keep-alive"; readonly cloud?: CloudKeepAlive }
  /** Entries are trimmed, empty ones dropped. */
  | { readonly kind: "set"; readonly inTopic?: true }
  /** `name:count` pairs. */
  | { readonly kind: "limits" }
  | { readonly kind: "topic-prefix" }
  | { readonly kind: "topic-id" }
  | { readonly kind: "proxy-url" }
  /** `synonyms` are accepted and stored as what they stand for. */
  | {
      readonly kind: "choice"
      readonly choices: ReadonlyArray<string>
      readonly synonyms?: { readonly [word: string]: string }
    }

export interface Setting {
  /** Dotted, canonical. Cloud settings are named without profile. */
  readonly key: string
  readonly type: SettingType
  /** As on the command line. `inConfigDir`: a path below the configuration directory. */
  readonly default?: string | { readonly inConfigDir: string }
  /** Source of the value if nothing sets it: the first of these that has one. */
  readonly fallback?: ReadonlyArray<string>
  /** As `fallback`, but only where the value is used: `config get` shows the setting as not set. */
  readonly fallbackWhenUsed?: string
  /** An environment variable of the system that is used instead. */
  readonly fallbackVariable?: string
  /** The common name of the certificate at this setting's path precedes every other source. */
  readonly certificateName?: string
  /** Names of earlier versions, still accepted, with a warning. */
  readonly deprecated?: ReadonlyArray<string>
  /** Values that only the deprecated names accept, and what they stand for. */
  readonly deprecatedWords?: { readonly [word: string]: string }
  /** Masked, except where it is requested by name. */
  readonly secret?: true
  /** The mapper publishes its value on the local broker, where every client can read it. */
  readonly exposed?: true
  readonly doc: string
  readonly note?: string
  readonly examples?: ReadonlyArray<string>
}

/** The parsed value of a setting; also the form in which it is stored in tedge.toml. */
export type Value = string | boolean | number | ReadonlyArray<string>
