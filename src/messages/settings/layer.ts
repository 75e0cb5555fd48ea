/**
 * One source of settings, parsed: the arguments, the environment, or a file.
 *
 * A layer is complete even if a value is invalid, so that `config set` can fix the file; readers refuse invalid values.
 */

import { withoutUserPassword } from "../shown-text.ts"
import type { SettingWarning, ValueProblem, ValueSource } from "./refused-value.ts"
import type { SettingType, Value } from "./setting.ts"
import { fullKey, parseProfile, parseSettingName, type SettingName } from "./setting-name.ts"
import { type ParsedValue, parseText, parseToml } from "./value.ts"

interface LayerEntry {
  readonly value: Value
  readonly source: ValueSource
}

/** An invalid value. `value` is undefined for a secret. */
export interface WrongEntry {
  readonly key: string
  readonly value: string | undefined
  readonly source: ValueSource
  readonly problem: ValueProblem
}

export interface Layer {
  /** By full key. */
  readonly entries: ReadonlyMap<string, LayerEntry>
  readonly wrong: ReadonlyArray<WrongEntry>
  readonly warnings: ReadonlyArray<SettingWarning>
}

/** A value as found, and the name it was found under. */
export interface Found {
  readonly given: string
  readonly name: SettingName
  /** A text, or a TOML value. */
  readonly value: unknown
  readonly source: ValueSource
  /** Base of relative paths. */
  readonly directory: string
}

export const emptyLayer: Layer = { entries: new Map(), wrong: [], warnings: [] }

/**
 * `variables`: TEDGE_*; others are ignored. A value is used unchanged: a PIN may contain quotes or brackets.
 * Only lists are parsed as TOML; `parseTomlValue` returns undefined for an invalid TOML value.
 */
export const environmentLayer = (
  variables: { readonly [name: string]: string | undefined },
  directory: string,
  parseTomlValue: (text: string) => unknown
): Layer => {
  const found: Array<Found> = []
  const unknown: Array<SettingWarning> = []
  for (const [variable, text] of Object.entries(variables)) {
    if (!variable.startsWith("TEDGE_") || isNoSetting(variable) || text === undefined || text === "") continue
    const given = variable.slice("TEDGE_".length).toLowerCase()
    const name = parseSettingName(given)
    const source = { kind: "variable", variable } as const
    if (name === undefined) unknown.push({ kind: "unknown-key", key: given, source })
    else {
      const isToml = isList(name.setting.type) && /^["[]/.test(text)
      found.push({ given, name, value: isToml ? (parseTomlValue(text) ?? text) : text, source, directory })
    }
  }
  const layer = layerOf(found)
  return { ...layer, warnings: [...unknown, ...layer.warnings] }
}

const isList = ({ kind }: SettingType): boolean => kind === "set" || kind === "limits"

/** Values given on the command line, by key (`device.cryptoki.socket_path`). An empty one counts as not given. */
export const argumentLayer = (options: { readonly [key: string]: string | undefined }, directory: string): Layer =>
  layerOf(
    Object.entries(options).flatMap(([given, value]) => {
      const name = parseSettingName(given)
      return name === undefined || value === undefined
        ? []
        : [{ given, name, value, source: { kind: "argument" } as const, directory }]
    })
  )

/** Older names count only if the setting's own name is absent. Empty texts count as absent. */
export const layerOf = (found: ReadonlyArray<Found>): Layer => {
  const entries = new Map<string, LayerEntry>()
  const wrong: Array<WrongEntry> = []
  const warnings: Array<SettingWarning> = []
  const seen = new Set<string>()
  const present = found.filter(({ value }) => value !== "")
  const current = present.filter(({ name }) => name.spelling !== "deprecated")
  for (const item of [...current, ...present.filter(({ name }) => name.spelling === "deprecated")]) {
    const key = fullKey(item.name)
    const { given, source } = item
    if (seen.has(key)) {
      warnings.push({ kind: "ignored-key", given, key, source })
      continue
    }
    seen.add(key)
    if (item.name.spelling === "deprecated") warnings.push({ kind: "deprecated-key", given, key, source })
    const parsed = parseFound(item)
    if (parsed.ok) entries.set(key, { value: parsed.value, source })
    else wrong.push({ key, value: shownWrong(item), source, problem: parsed.problem })
  }
  return { entries, wrong, warnings }
}

/** Merges layers that have no setting in common. */
export const joinedLayers = (layers: ReadonlyArray<Layer>): Layer => ({
  entries: new Map(layers.flatMap(({ entries }) => [...entries])),
  wrong: layers.flatMap(({ wrong }) => wrong),
  warnings: layers.flatMap(({ warnings }) => warnings)
})

/** A layer without some keys: neither their values nor their warnings. */
export const layerWithout = (layer: Layer, leavesOut: (key: string) => boolean): Layer => ({
  entries: new Map([...layer.entries].filter(([key]) => !leavesOut(key))),
  wrong: layer.wrong.filter(({ key }) => !leavesOut(key)),
  warnings: layer.warnings.filter((warning) => !("key" in warning && leavesOut(warning.key)))
})

/** The profiles for which a layer has settings, by cloud. */
export const profilesOf = (layer: Layer, cloud: string): ReadonlyArray<string> => {
  const prefix = `${cloud}.profiles.`
  const keys = [...layer.entries.keys(), ...layer.wrong.map(({ key }) => key)]
  const names = keys.flatMap((key) => (key.startsWith(prefix) ? [key.slice(prefix.length).split(".")[0] ?? ""] : []))
  return [...new Set(names)].filter((name) => "name" in parseProfile(name))
}

const parseFound = ({ name, value, directory }: Found): ParsedValue => {
  const { type, deprecatedWords } = name.setting
  const words = name.spelling === "deprecated" ? deprecatedWords : undefined
  const meant = words?.[String(value)] ?? value
  return typeof meant === "string" && type.kind !== "set"
    ? parseText(type, meant, directory)
    : parseToml(type, meant, directory)
}

const shownWrong = ({ name, value }: Found): string | undefined =>
  name.setting.secret || name.setting.key.endsWith("uri") ? undefined : withoutUserPassword(String(value))

const isNoSetting = (variable: string): boolean =>
  ["TEDGE_CONFIG_DIR", "TEDGE_CLOUD_PROFILE", "TEDGE_ADDON_DIR"].includes(variable)
