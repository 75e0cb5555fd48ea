/** Sentences for settings: unknown, wrong, missing, unreadable; and for what is only worth a warning. */
import type {
  ConfigFileNotWritten,
  ConfigRefusal,
  InvalidSetting,
  ProfileNotUsable,
  SettingMissing,
  SettingNotSet,
  UnknownProfile
} from "../config.ts"
import { AddonNotLoaded } from "../platform.ts"
import type { SettingWarning, ValueProblem, ValueSource } from "../settings/refused-value.ts"
import { danglingHint, type Explanation, foreignLinkHint, inBrackets, quoted } from "./explanation.ts"
import { leafFirstHint } from "./mqtt.ts"
import { explainPlatform } from "./platform.ts"

export const explainConfig = (failure: ConfigRefusal): Explanation => {
  switch (failure._tag) {
    case "UnknownSetting":
      return {
        error: failure.part ? `no key contains '${quoted(failure.key)}'` : `Unknown tedge config key: '${failure.key}'`,
        hint:
          failure.similar.length === 0
            ? "list the keys with: tedge config list --all"
            : `did you mean '${failure.similar[0]}'?`
      }
    case "MapperUnknown":
      return {
        error: `no mapper for '${quoted(failure.given)}': it is asked for as NAME.KEY`,
        hint:
          failure.known.length === 0
            ? "there is none yet: tedge config set c8y.url <value> makes the first"
            : `the mappers here: ${failure.known.join(", ")}`
      }
    case "UnknownProfile":
      return explainUnknownProfile(failure)
    case "ProfileNotUsable":
      return explainProfile(failure)
    case "InvalidSetting":
      return explainValue(failure)
    case "SettingMissing":
      return explainMissing(failure)
    case "SettingNotSet":
      return explainNotSet(failure)
    case "SettingsIncomplete":
      return {
        error: `The thin-edge configuration is invalid. The settings [${[...failure.set, ...failure.missing].join(", ")}] must either all be configured, or all unset. Currently [${failure.set.join(", ")}] are set, and [${failure.missing.join(", ")}] are unset`,
        hint: `tedge config set ${failure.missing[0] ?? "<key>"} <value>`
      }
    case "ConfigFileMalformed":
      return {
        error: `'${failure.path}' is not TOML${failure.line === 0 ? "" : `, line ${failure.line}, column ${failure.column}`}: ${quoted(failure.reason)}`,
        hint: "fix the line in an editor; nothing was changed"
      }
    case "ConfigFileUnreadable":
      return {
        error: `'${failure.path}' cannot be read: ${failure.code}`,
        hint:
          failure.code === "EACCES"
            ? "run the command as root (sudo) or as the user the file belongs to"
            : failure.code === "dangling link"
              ? danglingHint
              : `check: ls -l '${failure.path}'`
      }
    case "ConfigFileNotWritten":
      return explainNotWritten(failure)
    case "ConfigFileNotEditable":
      return {
        error: `'${failure.key}' in '${failure.path}' cannot be changed without touching other lines${inBrackets(failure.detail)}; nothing was changed`,
        hint: "change it with an editor"
      }
    case "ConfigVersionUnknown":
      return {
        error: `Unknown tedge.toml version: ${failure.version}`,
        hint: `'${failure.path}' was written by a newer thin-edge; nothing was changed`
      }
    case "ConfigMigrationConflict":
      return {
        error: `Cannot migrate '${failure.from}' to '${failure.to}': target key already exists`,
        hint: `remove one of them from '${failure.path}'`
      }
  }
}

const explainUnknownProfile = (failure: UnknownProfile): Explanation => {
  const example = `${failure.cloud}.profiles.${failure.profile}.url`
  return {
    error: `Unknown profile '${failure.profile}' of ${failure.cloud}`,
    hint:
      failure.known.length === 0
        ? `create it by setting a value: tedge config set ${example} <value>`
        : `profiles of ${failure.cloud}: ${failure.known.join(", ")}`
  }
}

const explainProfile = (failure: ProfileNotUsable): Explanation => {
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
}

const explainValue = (failure: InvalidSetting): Explanation => {
  const value = failure.value === undefined ? "the given value" : `'${quoted(failure.value)}'`
  const where = place(failure.source)
  return {
    error: `${value} is not a valid value of ${failure.key}${where === "" ? "" : ` (${where})`}: ${problem(failure.problem, failure.key)}`,
    hint: `allowed values: tedge config list --doc ${failure.key}`
  }
}

/** Where a value was found, for people; empty for the command line, which they see. */
const place = (source: ValueSource): string => {
  switch (source.kind) {
    case "argument":
      return ""
    case "variable":
      return `from environment variable ${source.variable}`
    case "file":
      return `in '${source.path}'`
    case "credential":
      return `from the credential '${source.path}'`
    case "certificate":
      return `from the certificate '${source.path}'`
    case "fallback":
      return `from ${source.key}`
    case "default":
      return "the default"
  }
}

const exampleHost = (key: string): string => {
  if (/^az(ure)?[._]/.test(key)) return "myhub.azure-devices.net"
  return /^aws[._]/.test(key) ? "abc123-ats.iot.eu-central-1.amazonaws.com" : "subdomain.cumulocity.com"
}

const problem = (found: ValueProblem, key: string): string => {
  switch (found.kind) {
    case "not-boolean":
      return "Supported values are: true, false"
    case "not-integer":
      return "it must be a whole number"
    case "out-of-range":
      return `it must be between ${found.min} and ${found.max}`
    case "not-a-choice":
      return `Supported values are: ${found.choices.join(", ")}`
    case "not-a-host":
      return `Provided URL should contain only domain, eg: '${exampleHost(key)}'`
    case "not-a-host-port":
      return found.part === "host" ? "Could not parse hostname" : "Could not parse port"
    case "not-an-ip":
      return "it must be an IP address"
    case "not-a-duration":
      return "it must be a duration such as 60s, 10m, 1h 30m or 365d"
    case "not-a-keep-alive":
      return "it must be between 1s and 65535s, or 0 for none"
    case "cloud-keep-alive":
      return `this cloud accepts a keep-alive from ${found.minSeconds}s to ${found.maxSeconds}s only`
    case "device-id-character":
      return `this cloud does not allow '${quoted(found.character)}' in a device id`
    case "device-id-too-long":
      return `a device id may have at most ${found.max} bytes`
    case "not-a-file-mode":
      return "it must be permissions in octal, such as 660"
    case "not-limits":
      return "it must be a list such as '*:5, software_list:1'"
    case "bad-topic-prefix":
      return topicPrefix[found.because]
    case "wildcard":
      return `it is a part of topics and cannot contain '${found.character}'`
    case "control-character":
      return `it contains the control character ${found.character}`
    case "bad-topic-id":
      return "it must be a topic id such as device/main//"
    case "bad-proxy-url":
      return proxyUrl[found.because]
    case "wrong-type":
      return `expected ${found.expected}, found ${found.found}`
    case "bad-pkcs11-uri":
      return `it is not a valid PKCS#11 URI (RFC 7512): ${found.reason}`
  }
}

const topicPrefix = {
  empty: "Topic prefix must not be empty",
  hash: "Topic prefix cannot contain '#'",
  plus: "Topic prefix cannot contain '+'",
  reserved: "Topic prefix cannot be c8y-internal"
} as const

const proxyUrl = {
  scheme: "Unsupported proxy scheme: only http and https are known",
  username: "URL should not contain a username, please specify this in proxy.username",
  password: "URL should not contain a password, please specify this in proxy.password",
  syntax: "it must be a URL such as http://proxy.example:3128"
} as const

/** `config get` answers a question; nobody says that a value is needed. */
const explainNotSet = (failure: SettingNotSet): Explanation =>
  failure.idProblem === undefined
    ? { error: `The provided config key: '${failure.key}' is not set` }
    : explainMissing(failure)

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
        error: `${start}, and several may be it: the device's certificate must come first in '${id.certPath}'`,
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

const explainNotWritten = (failure: ConfigFileNotWritten): Explanation => {
  const error = `'${failure.path}' could not be written: ${failure.code}; it is unchanged`
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
}

/** One line for a warning about settings; it has no next step unless there is one. */
export const explainSettingWarning = (warning: SettingWarning): Explanation => {
  switch (warning.kind) {
    case "deprecated-key":
      return { error: `The key '${warning.given}' is deprecated. Use '${warning.key}' instead` }
    case "no-effect":
      return {
        error: `'${warning.key}' has no effect with the built-in bridge: only thin-edge's own mapper and mosquitto bridge use it`
      }
    case "unknown-key":
      return { error: `Unknown configuration field "${quoted(warning.key)}" ${origin(warning.source)}` }
    case "ignored-key":
      return {
        error: `'${warning.given}' is ignored, since '${warning.key}' is there as well (${place(warning.source)})`
      }
    case "secret-exposed":
      return {
        error: `'${warning.path}' holds a PIN or a password and may be read by others (mode ${warning.mode})`,
        hint: `chmod 640 '${warning.path}'`
      }
    case "old-place":
      return {
        error: `${warning.key} is in '${warning.path}', which thin-edge's own programs write without it or for everybody to read; its place is '${warning.to}'`,
        hint: "tedge config upgrade"
      }
    case "not-read-by":
      return {
        error: `thin-edge's own ${warning.program} does not read '${warning.path}'`,
        hint:
          warning.program === "tedge-p11-server"
            ? `give it the value as ${warning.variable}=<value> in /etc/tedge/plugins/tedge-p11-server.conf (mode 0640); without it that service tries 123456`
            : `give it the value as ${warning.variable} in the environment of its unit (systemctl edit ${warning.program})`
      }
    case "ignored-table":
      return {
        error: `[${warning.table}] in '${warning.path}' is ignored: the settings of ${warning.table} are in '${warning.instead}'`,
        hint: "tedge config upgrade"
      }
    case "owner-not-set":
      return { error: `Failed to change ownership of '${warning.path}' to ${warning.owner}: ${warning.code}` }
  }
}

const origin = (source: ValueSource): string =>
  source.kind === "variable"
    ? `from environment variable ${source.variable}`
    : source.kind === "file"
      ? `from toml file ${source.path}`
      : place(source)
