/** Sentences for values of settings, and for warnings. */
import type { InvalidSetting } from "../config.ts"
import type { SettingWarning, ValueProblem, ValueSource } from "../settings/refused-value.ts"
import { type Explanation, quoted } from "./explanation.ts"
import { explainPlatform } from "./platform.ts"

export const explainValue = (failure: InvalidSetting): Explanation => {
  const value = failure.value === undefined ? "the given value" : `'${quoted(failure.value)}'`
  const where = place(failure.source)
  return {
    error: `${value} is not a valid value of ${failure.key}${where === "" ? "" : ` (${where})`}: ${problem(failure.problem, failure.key)}`,
    hint:
      failure.problem.kind === "pin-of-others"
        ? `first: tedge config set ${failure.problem.section}device.key_pin <PIN of that key's token>`
        : `allowed values: tedge config list --doc ${failure.key}`
  }
}

/** Source of a value, for people; empty for the command line. */
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
    case "pin-of-others":
      return `its PIN is stored apart from it, and would also be tried for the key of ${found.section.slice(0, -1)}`
  }
}

const topicPrefix = {
  empty: "Topic prefix must not be empty",
  hash: "Topic prefix cannot contain '#'",
  plus: "Topic prefix cannot contain '+'",
  reserved: "Topic prefix cannot be c8y-internal"
} as const

const proxyUrl = {
  scheme: "Unsupported proxy scheme: only http and https are supported",
  username: "URL should not contain a username, please specify this in proxy.username",
  password: "URL should not contain a password, please specify this in proxy.password",
  syntax: "it must be a URL such as http://proxy.example:3128"
} as const

/** One line for a warning about settings; the hint is optional. */
export const explainSettingWarning = (warning: SettingWarning): Explanation => {
  switch (warning.kind) {
    case "deprecated-key":
      return { error: `The key '${warning.given}' is deprecated. Use '${warning.key}' instead.` }
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
        hint:
          warning.isOldPlace === true
            ? `tedge config upgrade moves it to secrets.toml; or: chmod 640 '${warning.path}'`
            : `chmod 640 '${warning.path}'`
      }
    case "secret-copy": {
      const isExposed = (Number.parseInt(warning.mode, 8) & 0o004) !== 0
      return {
        error: `the copy '${warning.path}' holds a PIN or a password${isExposed ? ` and may be read by others (mode ${warning.mode})` : ""}`,
        hint: `when the device is connected: rm '${warning.path}'`
      }
    }
    case "old-place":
      return {
        error: `${warning.part === "pin" ? "the PIN of " : ""}${warning.key} is in '${warning.path}', which thin-edge's own programs rewrite without it or readable for all users; it belongs in '${warning.to}'`,
        hint: "tedge config upgrade"
      }
    case "pin-apart":
      return { error: `the PIN in ${warning.key} was stored as ${warning.pinKey} in '${warning.to}'` }
    case "pin-kept":
      return {
        error: `the PIN in ${warning.key} stays in '${warning.path}': in secrets.toml it would also be tried for the key of ${warning.section.slice(0, -1)}`,
        hint: `tedge config set ${warning.section}device.key_pin <PIN of that key's token>, then tedge config upgrade`
      }
    case "pin-dropped":
      return {
        error: `the PIN in ${warning.key} was taken out of '${warning.path}' and not stored: ${warning.pinKey} in '${warning.to}' is another one, and counts`
      }
    case "secrets-left-out": {
      const { path, problem } = warning
      const why = problem.kind === "unreadable" ? problem.code : "not valid TOML"
      return {
        error: `'${path}' cannot be used (${why}): PINs and passwords are left out`,
        hint: problem.kind === "unreadable" ? "run the command as root" : "correct the file"
      }
    }
    case "not-read-by":
      return {
        error: `thin-edge's own ${warning.program} does not read '${warning.path}'`,
        hint:
          warning.program === "tedge-p11-server"
            ? `give it the value as ${warning.variable}=<value> in /etc/tedge/plugins/tedge-p11-server.conf (mode 0640); without it that service tries 123456`
            : `put ${warning.variable}=<value> into a file of mode 0640, and 'EnvironmentFile=<file>' below [Service] in its unit: systemctl edit ${warning.unit}`
      }
    case "not-kept":
      return {
        error: `thin-edge's own tedge drops ${warning.key} when it writes the settings`,
        hint: `give it to the bridge as ${warning.variable} in the environment of its unit: systemctl edit ${warning.unit}`
      }
    case "ignored-table":
      return {
        error: `[${warning.table}] in '${warning.path}' is ignored: the settings of ${warning.table} are in '${warning.instead}'`,
        hint: "tedge config upgrade"
      }
    case "owner-unknown": {
      const why = explainPlatform(warning.failure)
      return { ...why, error: `the owner of '${warning.path}' was not changed: ${why.error}` }
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
