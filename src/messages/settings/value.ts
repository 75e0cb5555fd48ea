/**
 * Converts texts and TOML values to the value of a setting, and back to text.
 *
 * Texts come from the command line and from variables, TOML values from tedge.toml; both become the same `Value`.
 * Source: thin-edge, tedge config reference (types).
 */
import { controlCharacterIn } from "../shown-text.ts"
import { durationMs } from "./duration.ts"
import { isHost, isIp, parseHostPort, printHostPort } from "./host-port.ts"
import type { ValueProblem } from "./refused-value.ts"
import type { SettingType, Value } from "./setting.ts"

export type ParsedValue =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly problem: ValueProblem }

/**
 * `directory`: base of relative paths.
 *
 * Values contain no control characters: they become lines of mosquitto's configuration, topics, headers and log lines.
 */
export const parseText = (type: SettingType, text: string, directory: string): ParsedValue => {
  const character = controlCharacterIn(text)
  if (character !== undefined) return refuse({ kind: "control-character", character })
  switch (type.kind) {
    case "text":
      return type.inTopic ? parsePartOfTopic(text.trim()) : accept(text)
    case "path":
      return accept(absolutePath(text, directory))
    case "boolean":
      return text === "true" || text === "false" ? accept(text === "true") : refuse({ kind: "not-boolean" })
    case "integer":
      return parseInteger(text, type.min, type.max)
    case "host":
      return isHost(text) ? accept(text) : refuse({ kind: "not-a-host" })
    case "host-port": {
      const parsed = parseHostPort(text, type.defaultPort)
      return typeof parsed === "string" ? refuse({ kind: "not-a-host-port", part: parsed }) : accept(text)
    }
    case "ip":
      return isIp(text) ? accept(text) : refuse({ kind: "not-an-ip" })
    case "duration":
      return durationMs(text) === undefined ? refuse({ kind: "not-a-duration" }) : accept(text)
    case "keep-alive":
      return parseKeepAlive(text)
    case "file-mode":
      return /^0?[0-7]{3}$/.test(text) ? accept(text) : refuse({ kind: "not-a-file-mode" })
    case "set":
      return parseSet(type, text.split(","))
    case "limits":
      return parseLimits(text.split(",").map((entry) => entry.trim()))
    case "topic-prefix":
      return parseTopicPrefix(text)
    case "topic-id":
      return /^[^/+#\s]+(\/[^/+#\s]*){3}$/.test(text) ? accept(text) : refuse({ kind: "bad-topic-id" })
    case "proxy-url":
      return parseProxyUrl(text)
    case "choice": {
      const word = type.synonyms?.[text] ?? text
      return type.choices.includes(word) ? accept(word) : refuse({ kind: "not-a-choice", choices: type.choices })
    }
  }
}

/** A text in TOML is accepted for any type; booleans and integers only for theirs. */
export const parseToml = (type: SettingType, given: unknown, directory: string): ParsedValue => {
  if (typeof given === "string") return parseText(type, given, directory)
  const mismatch = refuse({ kind: "wrong-type", expected: expectedToml(type), found: tomlTypeName(given) })
  if (typeof given === "boolean")
    return type.kind === "boolean" || (type.kind === "choice" && type.choices.includes(String(given)))
      ? parseText(type, String(given), directory)
      : mismatch
  if (typeof given === "number" || typeof given === "bigint")
    return numbered.has(type.kind) ? parseText(type, String(given), directory) : mismatch
  if (!Array.isArray(given) || !given.every((member) => typeof member === "string")) return mismatch
  const character = controlCharacterIn(given.join(""))
  if (character !== undefined) return refuse({ kind: "control-character", character })
  if (type.kind === "set") return parseSet(type, given)
  return type.kind === "limits" ? parseLimits([...given]) : mismatch
}

/** The types whose values are, or may be, integers in TOML. */
const numbered: ReadonlySet<SettingType["kind"]> = new Set(["integer", "duration", "keep-alive"])

/** As `config get` and `config list` print it. */
export const printValue = (type: SettingType, value: Value): string => {
  if (type.kind === "host-port" && typeof value === "string") {
    const parsed = parseHostPort(value, type.defaultPort)
    return typeof parsed === "string" ? value : printHostPort(parsed)
  }
  if (typeof value !== "object") return String(value)
  return type.kind === "limits" ? value.join(", ") : `[${value.map((member) => JSON.stringify(member)).join(", ")}]`
}

const accept = (value: Value): ParsedValue => ({ ok: true, value })
const refuse = (problem: ValueProblem): ParsedValue => ({ ok: false, problem })

const parseInteger = (text: string, min: number, max: number): ParsedValue => {
  if (!/^\+?\d{1,15}$/.test(text)) return refuse({ kind: "not-integer" })
  const value = Number(text)
  return value >= min && value <= max ? accept(value) : refuse({ kind: "out-of-range", min, max })
}

/** Whole seconds in 16 bits; 0, and anything that only rounds to it, is invalid. Source: MQTT 3.1.1, 3.1.2.10. */
const parseKeepAlive = (text: string): ParsedValue => {
  const ms = durationMs(text)
  if (ms === undefined) return refuse({ kind: "not-a-duration" })
  const none = /^\s*0+\s*[a-zA-Z]*\s*$/.test(text)
  return none || (ms >= 1000 && ms <= 65_535_000) ? accept(text) : refuse({ kind: "not-a-keep-alive" })
}

const parseLimits = (entries: ReadonlyArray<string>): ParsedValue =>
  entries.every((entry) => /^[^:,\s]+\s*:\s*\d{1,9}$/.test(entry)) ? accept(entries) : refuse({ kind: "not-limits" })

const parseSet = ({ inTopic }: Extract<SettingType, { kind: "set" }>, entries: ReadonlyArray<string>): ParsedValue => {
  const members = entries.map((entry) => entry.trim()).filter((entry) => entry !== "")
  const wrong = inTopic ? members.map(parsePartOfTopic).find((parsed) => !parsed.ok) : undefined
  return wrong ?? accept(members)
}

const parsePartOfTopic = (text: string): ParsedValue => {
  const character = /[#+]/.exec(text)?.[0]
  return character === undefined ? accept(text) : refuse({ kind: "wildcard", character })
}

const parseTopicPrefix = (text: string): ParsedValue => {
  if (text === "") return refuse({ kind: "bad-topic-prefix", because: "empty" })
  if (text.includes("#")) return refuse({ kind: "bad-topic-prefix", because: "hash" })
  if (text.includes("+")) return refuse({ kind: "bad-topic-prefix", because: "plus" })
  return text === "c8y-internal" ? refuse({ kind: "bad-topic-prefix", because: "reserved" }) : accept(text)
}

/** `[http|https]://host[:port]`; user and password have settings of their own. */
const parseProxyUrl = (text: string): ParsedValue => {
  const bad = (because: "scheme" | "username" | "password" | "syntax") => refuse({ kind: "bad-proxy-url", because })
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase()
  if (scheme !== undefined && scheme !== "http" && scheme !== "https") return bad("scheme")
  const url = scheme === undefined ? `http://${text}` : text
  if (!URL.canParse(url)) return bad("syntax")
  const parsed = new URL(url)
  if (parsed.username !== "") return bad("username")
  if (parsed.password !== "") return bad("password")
  const bare = parsed.pathname === "/" && parsed.search === "" && parsed.hash === ""
  return bare && parsed.hostname !== "" ? accept(text) : bad("syntax")
}

const expectedToml = (type: SettingType): string => {
  switch (type.kind) {
    case "boolean":
      return "boolean"
    case "integer":
      return "integer"
    case "set":
    case "limits":
      return "array of strings"
    default:
      return "string"
  }
}

const tomlTypeName = (given: unknown): string => {
  if (typeof given === "bigint") return "integer"
  if (typeof given === "number") return Number.isInteger(given) ? "integer" : "float"
  if (Array.isArray(given)) return "array"
  if (given instanceof Date) return "date"
  return typeof given === "object" ? "table" : typeof given
}

/** Joined to `directory` if it is relative; without `.`, `..`, doubled and trailing slashes. */
const absolutePath = (path: string, directory: string): string => {
  const segments: Array<string> = []
  for (const segment of (path.startsWith("/") ? path : `${directory}/${path}`).split("/")) {
    if (segment === "" || segment === ".") continue
    if (segment === "..") segments.pop()
    else segments.push(segment)
  }
  return `/${segments.join("/")}`
}
