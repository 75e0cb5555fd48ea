/** Sentences for settings and their files: unknown, missing, unreadable, not written. */
import type { ConfigRefusal, SettingMissing, SettingNotSet } from "../config.ts"
import { AddonNotLoaded } from "../platform.ts"
import {
  danglingHint,
  type Explanation,
  foreignLinkHint,
  inBrackets,
  quoted,
  type Sentences,
  sentenceIn
} from "./explanation.ts"
import { leafFirstHint } from "./mqtt.ts"
import { explainPlatform } from "./platform.ts"
import { explainValue } from "./settings.ts"

export const explainConfig = (failure: ConfigRefusal): Explanation => sentenceIn(configSentences, failure)

export const configSentences = {
  UnknownSetting: (failure) => ({
    error: failure.part ? `no key contains '${quoted(failure.key)}'` : `Unknown tedge config key: '${failure.key}'`,
    hint:
      failure.similar.length === 0
        ? "list the keys with: tedge config list --all"
        : `did you mean '${failure.similar[0]}'?`
  }),
  MapperUnknown: (failure) => ({
    error: `no mapper for '${quoted(failure.given)}': use NAME.KEY`,
    hint:
      failure.known.length === 0
        ? "there is none yet: tedge config set c8y.url <value> creates the first"
        : `the mappers here: ${failure.known.join(", ")}`
  }),
  UnknownProfile: (failure) => {
    const example = `${failure.cloud}.profiles.${failure.profile}.url`
    if (failure.isIgnored === true)
      return {
        error: `Unknown profile '${failure.profile}' of ${failure.cloud}: its table in tedge.toml is ignored, as the cloud has a mapper.toml`,
        hint: "tedge config upgrade"
      }
    return {
      error: `Unknown profile '${failure.profile}' of ${failure.cloud}`,
      hint:
        failure.known.length === 0
          ? `create it by setting a value: tedge config set ${example} <value>`
          : `profiles of ${failure.cloud}: ${failure.known.join(", ")}`
    }
  },
  ProfileNotUsable: (failure) => {
    switch (failure.reason) {
      case "empty":
        return { error: "Profile names cannot be empty" }
      case "characters":
        return { error: `Profile names can only contain letters, numbers, '-' or '_': '${quoted(failure.profile)}'` }
      case "no-letter-or-digit":
        return { error: `Profile names must contain at least one letter or number: '${quoted(failure.profile)}'` }
      case "not-profiled":
        return { error: `You've supplied a profile, but ${failure.key} is not a profiled configuration` }
      case "named-twice":
        return {
          error: `Multiple profiles selected from the arguments ${failure.key} and --profile ${failure.profile}`,
          hint: "name the profile once"
        }
    }
  },
  InvalidSetting: (failure) => explainValue(failure),
  SettingMissing: (failure) => explainMissing(failure),
  // For `config get`, which does not require a value.
  SettingNotSet: (failure) =>
    failure.idProblem === undefined
      ? { error: `The provided config key: '${failure.key}' is not set` }
      : explainMissing(failure),
  SettingsIncomplete: (failure) => ({
    error: `The thin-edge configuration is invalid. The settings [${[...failure.set, ...failure.missing].join(", ")}] must either all be configured, or all unset. Currently [${failure.set.join(", ")}] are set, and [${failure.missing.join(", ")}] are unset`,
    hint: `tedge config set ${failure.missing[0] ?? "<key>"} <value>`
  }),
  ConfigFileMalformed: (failure) => ({
    error: `'${failure.path}' is not TOML${failure.line === 0 ? "" : `, line ${failure.line}, column ${failure.column}`}: ${quoted(failure.reason)}`,
    hint:
      failure.runPath === undefined
        ? "fix the line in an editor; nothing was changed"
        : `fix the line in an editor; services are looked for in '${failure.runPath}': with another run.path, set TEDGE_RUN_PATH`
  }),
  ConfigFileUnreadable: (failure) => ({
    error: `'${failure.path}' cannot be read: ${inWords(failure.code)}`,
    hint:
      failure.code === "EACCES"
        ? "run the command as root (sudo) or as the user the file belongs to"
        : failure.code === "dangling link"
          ? danglingHint
          : `check: ls -l '${failure.path}'`
  }),
  ConfigFileNotWritten: (failure) => {
    const error = `'${failure.path}' could not be written: ${inWords(failure.code)}; it is unchanged`
    switch (failure.code) {
      case "addon": {
        const missing = explainPlatform(new AddonNotLoaded({ addon: "unix", reason: failure.detail ?? "" }))
        return { ...missing, error: `'${failure.path}' could not be written: ${missing.error}; it is unchanged` }
      }
      case "EACCES":
      case "EPERM":
        return { error, hint: "run the command as root (sudo), or choose another place with --config-dir" }
      case "ENOSPC":
      case "EDQUOT":
        return { error, hint: "the disk is full: make room, then run the command again" }
      case "EROFS":
        return { error, hint: "the file system is read-only: choose another place with --config-dir" }
      case "dangling link":
        return { error, hint: danglingHint }
      case "link of another user":
        return { error, hint: foreignLinkHint }
      case "owner":
        return {
          error: `'${failure.path}.lock' belongs to another user, who could hold it indefinitely`,
          hint: `sudo rm '${failure.path}.lock'`
        }
      default:
        return failure.step === "lock" && failure.code === "EAGAIN"
          ? { error, hint: "another tedge is writing the settings: run the command again" }
          : { error }
    }
  },
  ConfigFileNotEditable: (failure) => ({
    error: `'${failure.key}' in '${failure.path}' cannot be changed without touching other lines${inBrackets(failure.detail)}; nothing was changed`,
    hint: "change it with an editor"
  }),
  ConfigVersionUnknown: (failure) => ({
    error: `Unknown tedge.toml version: ${failure.version}`,
    hint: `'${failure.path}' was written by a newer thin-edge; nothing was changed`
  }),
  ConfigMigrationConflict: (failure) => ({
    error: `Cannot migrate '${failure.from}' to '${failure.to}': target key already exists`,
    hint: `remove one of them from '${failure.path}'`
  })
} satisfies Sentences<ConfigRefusal>

const explainMissing = (failure: SettingMissing | SettingNotSet): Explanation => {
  const set = `tedge config set ${failure.key} <value>`
  const id = failure.idProblem
  if (id === undefined) return { error: `A value for '${failure.key}' is missing`, hint: set }
  const start = `'${failure.key}' is not configured: The device id is read from the device certificate`
  switch (id.reason) {
    case "missing":
      return {
        error: `${start}, and there is none at '${id.certPath}'`,
        hint: "tedge cert create --device-id <id>, or set device.cert_path to the certificate you have"
      }
    case "unreadable":
      return {
        error: `${start}, and '${id.certPath}' cannot be read: ${id.detail}`,
        hint: `check: ls -l '${id.certPath}'`
      }
    case "malformed":
      return {
        error: `${start}, and '${id.certPath}' is not a certificate${inBrackets(id.detail)}`,
        hint: "it must be in PEM form; check: tedge config get device.cert_path"
      }
    case "ambiguous":
      return {
        error: `${start}, and several could be the device's: the device's certificate must come first in '${id.certPath}'`,
        hint: leafFirstHint
      }
    case "control-character":
      return {
        error: `${start}, and the common name (CN) in '${id.certPath}' contains the control character ${id.detail}`,
        hint: "use a certificate without it; a device id is one line of text"
      }
    case "no-common-name":
      return { error: `${start}, and '${id.certPath}' has no common name (CN)`, hint: set }
  }
}

/** In the C library's words, which scripts search for. */
const inWords = (code: string): string =>
  code === "EACCES" ? "Permission denied (EACCES)" : code === "EPERM" ? "Operation not permitted (EPERM)" : code
