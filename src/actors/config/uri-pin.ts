/**
 * A PIN in the PKCS#11 URI of a setting (RFC 7512, 2.4, `pin-value`): a secret like any other, which belongs to the
 * setting for the PIN beside the URI. Does not load Effect, except `pinnedUri`.
 */
import { Redacted, Result } from "effect"
import { parsePkcs11Uri } from "../../messages/pkcs11-uri.ts"
import { emptyLayer, type Layer } from "../../messages/settings/layer.ts"
import {
  knownProfiles,
  layersOf,
  type NamedSetting,
  type Resolved,
  resolveForUse,
  type Sources
} from "../../messages/settings/resolve.ts"
import { cloudNames, type Value } from "../../messages/settings/setting.ts"
import { fullKey, parseSettingName, type SettingName, settingByKey } from "../../messages/settings/setting-name.ts"
import { textWithoutPin } from "./pin-text.ts"

/** The URI without its PIN, and the PIN. */
export interface PinnedUri {
  readonly uri: string
  readonly pin: string
}

/** Undefined: no valid URI with a PIN. */
export const pinnedUri = (value: Value | undefined): PinnedUri | undefined => {
  const uri = typeof value === "string" ? textWithoutPin(value) : undefined
  if (uri === undefined) return undefined
  const pin = Result.getOrUndefined(parsePkcs11Uri(String(value)))?.pinValue
  return pin && { uri, pin: Redacted.value(pin) }
}

/** The setting for the PIN of a URI: `device.key_pin` for `device.key_uri`. Undefined: the setting is not a URI. */
export const pinNameOf = ({ setting, profile }: Pick<SettingName, "setting" | "profile">): SettingName | undefined => {
  const key = setting.key === "device.cryptoki.uri" ? "device.cryptoki.pin" : setting.key.replace(/key_uri$/, "key_pin")
  const pin = settingByKey(key)
  return pin?.secret === true && pin !== setting ? { setting: pin, profile, spelling: "canonical" } : undefined
}

/** URI and PIN of a token as they are used: the URI without PIN. */
interface UriAndPin {
  readonly uri: Resolved
  readonly pin: Resolved
  /** The full key of the setting that has the PIN, as URI or as PIN. */
  readonly pinKey: string
  readonly isPinInUri: boolean
}

/**
 * A PIN in a URI counts as if it were the setting for the PIN beside it, in the source of the URI: one from a source of
 * higher precedence wins. Within a source that of a key's URI takes precedence over `key_pin`, that of the provider's comes after `pin`.
 */
export const uriAndPin = (name: NamedSetting, sources: Sources): UriAndPin | undefined => {
  const pinName = pinNameOf(name)
  if (pinName === undefined) return undefined
  const uri = resolveForUse(name, sources)
  const plain = () => {
    const pin = resolveForUse(pinName, sources)
    return { uri, pin, pinKey: ownerOf(pinName, pin), isPinInUri: false }
  }
  const pinned = uri.kind === "value" ? pinnedUri(uri.value) : undefined
  if (uri.kind !== "value" || pinned === undefined) return plain()
  const uriKey = ownerOf(name, uri)
  const beside = parseSettingName(uriKey)
  const pinKey = beside && pinKeyOf(beside)
  const bare = { ...uri, value: pinned.uri }
  const place = layersOf(sources).find(({ entries }) => entries.has(uriKey))
  const isProvider = name.setting.key === "device.cryptoki.uri"
  if (place === undefined || pinKey === undefined || pinned.pin === "" || (isProvider && place.entries.has(pinKey)))
    return { ...plain(), uri: bare }
  const source = place.entries.get(uriKey)?.source ?? uri.source
  const entries = new Map([...place.entries, [pinKey, { value: pinned.pin, source }] as const])
  const changed = withLayer(sources, place, { ...place, entries })
  const pin = resolveForUse(pinName, changed)
  const owner = ownerOf(pinName, pin)
  const counts = layersOf(changed).find((layer) => layer.entries.has(owner))
  const isPinInUri = owner === pinKey && counts?.entries === entries
  return { uri: bare, pin, pinKey: isPinInUri ? uriKey : owner, isPinInUri }
}

/** The full key of the setting that has the value. */
const ownerOf = (name: NamedSetting, resolved: Resolved): string =>
  resolved.kind === "value" && resolved.source.kind === "fallback" ? resolved.source.key : fullKey(name)

const withLayer = (sources: Sources, old: Layer, changed: Layer): Sources => {
  const one = (layer: Layer): Layer => (layer === old ? changed : layer)
  return {
    ...sources,
    options: one(sources.options),
    environment: one(sources.environment),
    secrets: (sources.secrets ?? []).map(one),
    file: one(sources.file)
  }
}

/** Changes of settings by full key; undefined: removed. */
type Changed = ReadonlyMap<string, Value | undefined>

/** The settings files after a change, without options and environment. PINs are moved to `pinsTo`. */
export const filesAfter = (sources: Sources, changed: Changed, pinsTo: "secrets.toml" | "file"): Sources => {
  const { secrets = [], file } = sources
  const isPin = (key: string): boolean => parseSettingName(key)?.setting.secret === true
  const isOfFile = (key: string): boolean => pinsTo === "file" || !isPin(key)
  return {
    ...sources,
    options: emptyLayer,
    environment: emptyLayer,
    secrets: secrets.map((layer, at) =>
      at === secrets.length - 1 ? changedLayer(layer, changed, (key) => !isOfFile(key)) : layer
    ),
    // A PIN that is stored separately does not stay in the file.
    file: changedLayer(file, new Map([...changed].map(([key, value]) => [key, isOfFile(key) ? value : undefined])))
  }
}

const changedLayer = (layer: Layer, changed: Changed, isMeant: (key: string) => boolean = () => true): Layer => {
  const entries = new Map(layer.entries)
  for (const [key, value] of changed)
    if (isMeant(key)) {
      if (value === undefined) entries.delete(key)
      else entries.set(key, { value, source: { kind: "argument" } })
    }
  return { ...layer, entries }
}

/** The prefixes of the keys of each section; that of the device is empty. */
export const sectionPrefixes = (sources: Sources): ReadonlyArray<string> => [
  "",
  ...cloudNames.flatMap((cloud) => [
    `${cloud}.`,
    ...knownProfiles(sources, cloud).map((profile) => `${cloud}.profiles.${profile}.`)
  ])
]

/**
 * The section that would sign with another PIN after a change; undefined: none. A PIN that moves from `device.key_uri` to
 * `device.key_pin` counts for the sections that have their own URI, too.
 */
export const sectionWithOtherPin = (
  sections: ReadonlyArray<string>,
  before: Sources,
  after: Sources
): string | undefined => sections.find((section) => pinUsed(before, section) !== pinUsed(after, section))

/** Except for the provider's. */
const pinUsed = (sources: Sources, section: string): Value | undefined => {
  const name = parseSettingName(`${section}device.key_uri`)
  const pin = name && uriAndPin(name, sources)?.pin
  return pin?.kind === "value" ? pin.value : undefined
}

/** The name of the setting for the PIN, in full. */
export const pinKeyOf = (name: Pick<SettingName, "setting" | "profile">): string | undefined => {
  const pin = pinNameOf(name)
  return pin && fullKey(pin)
}
