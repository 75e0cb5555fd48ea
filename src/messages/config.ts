/**
 * Protocol of ConfigActor: reading the settings, and `tedge config get | set | unset | add | remove | list`.
 *
 * Sent by the commands of the CLI, by ConnectActor, and at the start of the mapper and of tedge-p11-server.
 */
import { Data, Effect, type Redacted } from "effect"
import type { Ask } from "../runtime/protocol.ts"
import type { SettingWarning, ValueProblem, ValueSource } from "./settings/refused-value.ts"
import type { CloudSettings, IdProblem, Settings } from "./settings/resolved-settings.ts"
import type { CloudName } from "./settings/setting.ts"

/** The setting does not exist. `similar`: similar names, best first. */
export class UnknownSetting extends Data.TaggedError("UnknownSetting")<{
  readonly key: string
  readonly similar: ReadonlyArray<string>
  /** A part of a key was given. */
  readonly part?: true
}> {}

/** `tedge mapper config get`: no directory of that name. */
export class MapperUnknown extends Data.TaggedError("MapperUnknown")<{
  readonly given: string
  readonly known: ReadonlyArray<string>
}> {}

/** The profile has no settings at all. `known`: existing profiles. */
export class UnknownProfile extends Data.TaggedError("UnknownProfile")<{
  readonly cloud: CloudName
  readonly profile: string
  readonly known: ReadonlyArray<string>
  /** It has a table in tedge.toml, which is ignored. */
  readonly isIgnored?: true
}> {}

/** The name of the profile is not valid, or the setting has no profiles. */
export class ProfileNotUsable extends Data.TaggedError("ProfileNotUsable")<{
  readonly profile: string
  /** The requested setting; empty if there was none. */
  readonly key: string
  readonly reason:
    | "empty"
    | "characters"
    | "no-letter-or-digit"
    /** The setting belongs to no cloud. */
    | "not-profiled"
    /** The key names another profile. */
    | "named-twice"
}> {}

/** A text is not a valid value of the setting. */
export class InvalidSetting extends Data.TaggedError("InvalidSetting")<{
  readonly key: string
  /** Undefined for a secret. */
  readonly value: string | undefined
  readonly source: ValueSource
  readonly problem: ValueProblem
}> {}

/** A setting is needed and not set. */
export class SettingMissing extends Data.TaggedError("SettingMissing")<{
  readonly key: string
  /** For identities: why the certificate has none. */
  readonly idProblem: IdProblem | undefined
}> {}

/** `config get` of a setting without a value. */
export class SettingNotSet extends Data.TaggedError("SettingNotSet")<{
  readonly key: string
  readonly idProblem: IdProblem | undefined
}> {}

/** Settings that require each other are set in part (proxy.username and proxy.password). */
export class SettingsIncomplete extends Data.TaggedError("SettingsIncomplete")<{
  readonly set: ReadonlyArray<string>
  readonly missing: ReadonlyArray<string>
}> {}

/** The file is not valid TOML, or too large. Nothing was written. */
export class ConfigFileMalformed extends Data.TaggedError("ConfigFileMalformed")<{
  readonly path: string
  /** From 1; 0: the whole file. */
  readonly line: number
  readonly column: number
  /** The parser's message. */
  readonly reason: string
  /** Where `tedge status` looks for services, as it does not know run.path. */
  readonly runPath?: string
}> {}

/** The file exists and cannot be read. It is not treated as empty. */
export class ConfigFileUnreadable extends Data.TaggedError("ConfigFileUnreadable")<{
  readonly path: string
  /** `EACCES`, `EISDIR` and the like. */
  readonly code: string
}> {}

/** The file could not be written; it is unchanged. */
export class ConfigFileNotWritten extends Data.TaggedError("ConfigFileNotWritten")<{
  readonly path: string
  readonly step: "lock" | "create" | "write" | "sync" | "rename"
  /** `EACCES`, `ENOSPC` and the like; `addon` when the add-on that locks is missing. */
  readonly code: string
  /** Why the add-on is missing. */
  readonly detail?: string
}> {}

/** The change would affect something else in the file; it is unchanged. */
export class ConfigFileNotEditable extends Data.TaggedError("ConfigFileNotEditable")<{
  readonly path: string
  readonly key: string
  readonly detail: string
}> {}

/** The file has a version we do not know. */
export class ConfigVersionUnknown extends Data.TaggedError("ConfigVersionUnknown")<{
  readonly path: string
  readonly version: string
}> {}

/** A version 1 file has a setting under its old and its new name. */
export class ConfigMigrationConflict extends Data.TaggedError("ConfigMigrationConflict")<{
  readonly path: string
  readonly from: string
  readonly to: string
}> {}

/** The files cannot be read as settings. */
export type ConfigFileRefusal =
  | ConfigFileMalformed
  | ConfigFileUnreadable
  | ConfigVersionUnknown
  | ConfigMigrationConflict

export type KeyRefusal = UnknownSetting | UnknownProfile | ProfileNotUsable

export type ReadRefusal = ConfigFileRefusal | KeyRefusal | InvalidSetting | SettingsIncomplete

export type WriteRefusal =
  | ConfigFileRefusal
  | KeyRefusal
  | InvalidSetting
  | ConfigFileNotWritten
  | ConfigFileNotEditable

export type ConfigRefusal = MapperUnknown | ReadRefusal | WriteRefusal | SettingMissing | SettingNotSet

/** A cloud's section that cannot be read. */
export interface SectionLeftOut {
  readonly profile: string | undefined
  /** Its `url` is set, valid or not, or its file is unusable. */
  readonly isConfigured: boolean
  readonly failure: ReadRefusal
}

export interface ShownSetting {
  /** Canonical, with the profile: `c8y.profiles.prod.url`. */
  readonly key: string
  /** As `config get` prints it; undefined: not set. */
  readonly value: Redacted.Redacted<string> | undefined
  readonly source: ValueSource | undefined
  /** The value is, or contains, a PIN or a password. */
  readonly secret: boolean
}

/** A setting as the user names it. Dots and underscores are the same; `profile` is `--profile`. */
export interface SettingSelector {
  readonly key: string
  /** Undefined: TEDGE_CLOUD_PROFILE counts. Null: the key alone counts. */
  readonly profile?: string | null | undefined
}

export interface Warned {
  readonly warnings: ReadonlyArray<SettingWarning>
}

/** Result of `tedge config upgrade`; both empty: nothing to move. */
export interface Upgraded extends Warned {
  /** The files that were created or changed. */
  readonly written: ReadonlyArray<string>
  /** Copies of their previous content, beside them. */
  readonly copies: ReadonlyArray<string>
  /** The copies that contain a PIN or a password, including those of earlier upgrades. */
  readonly secretCopies: ReadonlyArray<string>
  /** The full keys of the PINs and passwords that were moved. */
  readonly secrets: ReadonlyArray<string>
}

/**
 * When an unusable secrets.toml refuses the settings. Default: if a token or a proxy may need a PIN or a
 * password. `proxy`: if a proxy may. `required`: always. `optional`: never; the settings then have no secrets at all, not
 * even from other sources, as no other PIN may be tried.
 */
export interface SecretsNeed {
  readonly secrets?: "optional" | "proxy" | "required" | undefined
}

export type ConfigProtocol = {
  /** The settings that need no cloud. */
  readonly ReadSettings: Ask<SecretsNeed | undefined, { readonly settings: Settings } & Warned, ReadRefusal>
  /**
   * Without `profile`, TEDGE_CLOUD_PROFILE counts; `null` is the section without profile, regardless of it. `bare`: the
   * section's own settings count as unset, valid or not, and so do all unusable ones. The token is off then: no other PIN
   * is tried.
   */
  readonly ReadCloudSettings: Ask<
    { readonly cloud: CloudName; readonly profile?: string | null | undefined; readonly bare?: true } & SecretsNeed,
    { readonly settings: CloudSettings } & Warned,
    ReadRefusal
  >
  /** The section without profile first, then every profile, by name. `leftOut`: those that cannot be read. */
  readonly ReadProfiles: Ask<
    { readonly cloud: CloudName } & SecretsNeed,
    { readonly profiles: ReadonlyArray<CloudSettings>; readonly leftOut: ReadonlyArray<SectionLeftOut> } & Warned,
    ReadRefusal
  >
  /** A setting without a value is a success too; for identities with the reason. */
  readonly Get: Ask<SettingSelector, ShownSetting & { readonly idProblem: IdProblem | undefined } & Warned, ReadRefusal>
  /** In the order of `config list`, including those without a value. `filter`: a part of the key. */
  readonly List: Ask<
    { readonly filter: string },
    /** `leftOut`: why others are missing. */
    { readonly settings: ReadonlyArray<ShownSetting>; readonly leftOut: ReadonlyArray<ReadRefusal> } & Warned,
    ReadRefusal
  >
  /**
   * Whether the setting can be written, by writing the file unchanged. Called before an irreversible step, creating a key
   * or changing a PIN of a token.
   */
  readonly CheckWritable: Ask<SettingSelector, Warned, WriteRefusal>
  /** An empty value unsets. */
  readonly Set: Ask<SettingSelector & { readonly value: Redacted.Redacted<string> }, Warned, WriteRefusal>
  readonly Unset: Ask<SettingSelector, Warned, WriteRefusal>
  /** Sets: the union with the value of the files, or the default. Others: replaced. */
  readonly Add: Ask<SettingSelector & { readonly value: Redacted.Redacted<string> }, Warned, WriteRefusal>
  /** Sets: without the members. Others: unset, if equal. */
  readonly Remove: Ask<SettingSelector & { readonly value: Redacted.Redacted<string> }, Warned, WriteRefusal>
  /** Moves settings from older files to the files they belong to. */
  readonly Upgrade: Ask<void, Upgraded, WriteRefusal>
}

/** Published after a message changed the file. */
export type ConfigEvent = { readonly _tag: "SettingChanged"; readonly key: string; readonly path: string }

/** The value, or SettingMissing. */
export const neededSetting = <A>(key: string, value: A | undefined): Effect.Effect<A, SettingMissing> =>
  value === undefined ? Effect.fail(new SettingMissing({ key, idProblem: undefined })) : Effect.succeed(value)

/** The identity, or why there is none. `key`: `device.id`, or a cloud's own. */
export const neededId = (
  key: string,
  device: { readonly id: string | undefined; readonly idProblem: IdProblem | undefined }
): Effect.Effect<string, SettingMissing> =>
  device.id === undefined
    ? Effect.fail(new SettingMissing({ key, idProblem: device.idProblem }))
    : Effect.succeed(device.id)
