/** `tedge config upgrade`: moves PINs out of the URIs of tokens and keys. */
import { Effect } from "effect"
import { ConfigFileNotEditable, InvalidSetting } from "../../../messages/config.ts"
import { type CloudProfile, isTable, type TomlPath } from "../../../messages/settings/file-layer.ts"
import type { SettingWarning } from "../../../messages/settings/refused-value.ts"
import type { Value } from "../../../messages/settings/setting.ts"
import { fullKey, type SettingName, settingByKey } from "../../../messages/settings/setting-name.ts"
import { mayHavePin, withoutPin } from "../../../messages/shown-text.ts"
import { editToml } from "../../../platform/toml/toml-edit.ts"
import { parseToml } from "../../../platform/toml/toml-file.ts"
import type { OpenConfig } from "../open-config.ts"
import { filesAfter, type PinnedUri, pinKeyOf, pinnedUri, sectionPrefixes, sectionWithOtherPin } from "../uri-pin.ts"
import type { FileChange } from "../write-files.ts"

/** A setting that may be a URI with a PIN, with its place in its file. */
interface UriPlace {
  readonly name: Pick<SettingName, "setting" | "profile">
  readonly at: TomlPath
}

interface WithoutPins {
  readonly change: FileChange
  /** By the full keys of the settings for PINs. */
  readonly pins: ReadonlyMap<string, string>
  readonly warnings: ReadonlyArray<SettingWarning>
}

/** The URIs that a tedge.toml may contain, except those of clouds. */
export const ownUris: ReadonlyArray<UriPlace> = placesOf(undefined, ["device.key_uri", "device.cryptoki.uri"])

/** That of a mapper.toml. */
export const cloudUris = (cloud: string, profile: string | undefined): ReadonlyArray<UriPlace> =>
  placesOf(profile, [`${cloud}.device.key_uri`]).map((one) => ({ ...one, at: one.at.slice(1) }))

function placesOf(profile: string | undefined, keys: ReadonlyArray<string>): ReadonlyArray<UriPlace> {
  return keys.flatMap((key) => {
    const setting = settingByKey(key)
    return setting === undefined ? [] : [{ name: { setting, profile }, at: key.split(".") }]
  })
}

/**
 * The settings after the upgrade, except for PINs in URIs: including those that left the table of a section that
 * is ignored because an earlier upgrade was incomplete.
 */
interface Settled {
  readonly sections: ReadonlyArray<string>
  readonly changed: ReadonlyMap<string, Value | undefined>
}

/** `made`: the new files of sections. `moved`: PINs and passwords, by full key. */
export const settledAfter = (
  open: OpenConfig,
  made: ReadonlyArray<{ readonly section: CloudProfile; readonly text: string }>,
  moved: ReadonlyMap<string, Value>
): Settled => {
  const uris = made.map(({ section: { cloud, profile }, text }): [string, string | undefined] => [
    profile === undefined ? `${cloud}.` : `${cloud}.profiles.${profile}.`,
    valueAt(text, ["device", "key_uri"])
  ])
  const secrets = [...moved].filter(([key]) => !open.own.secrets.places.has(key))
  return {
    sections: [...new Set([...sectionPrefixes(open.sources), ...uris.map(([section]) => section)])],
    changed: new Map<string, Value | undefined>([
      ...uris.map(([section, uri]): [string, string | undefined] => [`${section}device.key_uri`, uri]),
      ...secrets
    ])
  }
}

/** `source`: the file that the URI is in now. */
export const withoutUriPins = (
  settled: Settled,
  open: OpenConfig,
  { change, source = change.path }: { readonly change: FileChange; readonly source?: string },
  uris: ReadonlyArray<UriPlace>
): Effect.Effect<WithoutPins, ConfigFileNotEditable | InvalidSetting> =>
  Effect.gen(function* () {
    const pins = new Map<string, string>()
    const warnings: Array<SettingWarning> = []
    let text = change.after ?? ""
    for (const { name, at } of uris) {
      const key = fullKey(name)
      const pinKey = pinKeyOf(name)
      const value = valueAt(text, at)
      const pinned = pinnedUri(value)
      if (pinned === undefined || pinKey === undefined) {
        yield* refuseUnparsed(key, value, source)
        continue
      }
      const section = otherSection(settled, open, key, pinned, pinKey)
      if (section !== undefined) {
        warnings.push({ kind: "pin-kept", key, path: source, section })
        continue
      }
      const stored = open.own.secrets.layer.entries.get(pinKey)?.value
      if (stored === undefined) pins.set(pinKey, pinned.pin)
      else if (stored !== pinned.pin)
        warnings.push({ kind: "pin-dropped", key, pinKey, path: source, to: open.own.secrets.path })
      const edited = editToml(text, [{ at, value: pinned.uri }])
      if (edited.kind === "refused")
        return yield* new ConfigFileNotEditable({ path: change.path, key, detail: edited.detail })
      text = edited.text
    }
    return { change: text === (change.after ?? "") ? change : { ...change, after: text }, pins, warnings }
  })

/** Only device settings count for the sections of clouds as well. */
const otherSection = (
  { sections, changed }: Settled,
  open: OpenConfig,
  key: string,
  { uri, pin }: PinnedUri,
  pinKey: string
): string | undefined => {
  if (key !== "device.key_uri") return undefined
  const stored = open.own.secrets.layer.entries.get(pinKey)?.value
  const after = new Map([...changed, [key, uri] as const, [pinKey, stored ?? pin] as const])
  return sectionWithOtherPin(
    sections,
    filesAfter(open.sources, changed, "file"),
    filesAfter(open.sources, after, "secrets.toml")
  )
}

/** What may be a PIN in an invalid URI cannot be moved, and must be reported. */
const refuseUnparsed = (key: string, value: unknown, path: string): Effect.Effect<void, InvalidSetting> =>
  typeof value === "string" &&
  pinnedUri(value) === undefined &&
  /^pkcs11:.*pin-value=/is.test(value) &&
  mayHavePin(value)
    ? Effect.fail(
        new InvalidSetting({
          key,
          value: withoutPin(value),
          source: { kind: "file", path },
          problem: { kind: "bad-pkcs11-uri", reason: "pin-value" }
        })
      )
    : Effect.void

const valueAt = (text: string, at: TomlPath): string | undefined => {
  const parsed = parseToml(text)
  if (parsed.kind !== "tree") return undefined
  const value = at.reduce<unknown>((table, key) => (isTable(table) ? table[key] : undefined), parsed.tree)
  return typeof value === "string" ? value : undefined
}
