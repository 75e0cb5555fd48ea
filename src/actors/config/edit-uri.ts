/** `config set` of a URI with a PIN: the PIN is not stored in the URI's file. */
import { Effect } from "effect"
import { ConfigFileNotEditable, InvalidSetting, type WriteRefusal } from "../../messages/config.ts"
import type { SettingWarning } from "../../messages/settings/refused-value.ts"
import type { Value } from "../../messages/settings/setting.ts"
import { fullKey, type SettingName } from "../../messages/settings/setting-name.ts"
import { editToml } from "../../platform/toml/toml-edit.ts"
import { mapperText } from "./edit-mapper-file.ts"
import { editedOwn, ownChange } from "./edit-own-file.ts"
import { mapperSection, sharedChange } from "./edit-shared-file.ts"
import { type OpenConfig, refuseOwnFile } from "./open-config.ts"
import { textWithoutPin } from "./pin-text.ts"
import type { ConfigPlace } from "./read-sources.ts"
import { filesAfter, type PinnedUri, pinNameOf, pinnedUri, sectionPrefixes, sectionWithOtherPin } from "./uri-pin.ts"
import type { FileChange } from "./write-files.ts"

interface PinApart extends PinnedUri {
  readonly name: SettingName
  readonly pinName: SettingName
  readonly warning: SettingWarning
}

/** Undefined: the value is not a URI with a PIN. */
export const pinApart = (open: OpenConfig, name: SettingName, value: Value | undefined): PinApart | undefined => {
  const pinned = pinnedUri(value)
  const pinName = pinNameOf(name)
  if (pinned === undefined || pinName === undefined) return undefined
  const pinKey = fullKey(pinName)
  const warning = { kind: "pin-apart", key: fullKey(name), pinKey, to: open.own.secrets.path } as const
  return { ...pinned, name, pinName, warning }
}

/**
 * First the URI with the PIN, then the PIN in secrets.toml, then the URI without it: at no point is a PIN beside
 * another token's URI, for which it would be tried after a crash.
 */
export const changesWithPinApart = (
  place: ConfigPlace,
  open: OpenConfig,
  { name, pinName, uri, pin }: PinApart
): Effect.Effect<ReadonlyArray<FileChange>, WriteRefusal> =>
  Effect.gen(function* () {
    const { secrets } = open.own
    yield* refuseOwnFile(secrets)
    const [key, pinKey] = [fullKey(name), fullKey(pinName)]
    const whole = withPin(uri, pin)
    const stored = secrets.layer.entries.get(pinKey)?.value
    const isStored = stored === pin
    const section = sectionWithOtherPin(
      sectionPrefixes(open.sources),
      filesAfter(
        open.sources,
        new Map([
          [key, whole],
          [pinKey, isStored ? pin : undefined]
        ]),
        "secrets.toml"
      ),
      filesAfter(
        open.sources,
        new Map([
          [key, uri],
          [pinKey, pin]
        ]),
        "secrets.toml"
      )
    )
    if (section !== undefined)
      return yield* new InvalidSetting({
        key,
        value: uri,
        source: { kind: "argument" },
        problem: { kind: "pin-of-others", section }
      })
    const together = yield* sharedChange(place, open, name, whole)
    const bare = yield* sharedChange(place, open, name, uri)
    const cloud = mapperSection(open, name)
    const old = cloud === undefined ? open.file.layer : mapperText(place, open, cloud).file
    const places = old?.places.get(pinKey) ?? []
    const apart = editToml(
      bare.after ?? "",
      places.map((at) => ({ at, value: undefined }))
    )
    if (apart.kind === "refused")
      return yield* new ConfigFileNotEditable({ path: bare.path, key: pinKey, detail: apart.detail })
    const edited = yield* editedOwn(secrets, { key: pinKey, at: pinKey.split("."), value: pin || undefined })
    const secret = ownChange(secrets, edited, true)
    // If one of the two is set already, nothing can be confused.
    if (secret.before === secret.after || bare.before === bare.after) return [secret, { ...bare, after: apart.text }]
    const earlier = yield* oldPinGone(place, open, { name, pinName, uri, pin })
    return [
      ...earlier,
      { ...together, before: earlier.at(0)?.after ?? together.before },
      { ...secret, before: earlier.at(1)?.after ?? secret.before },
      { ...bare, before: together.after, after: apart.text }
    ]
  })

/**
 * A PIN in secrets.toml takes precedence over the one in a URI: that of the old URI is first written into the old URI, or it
 * would be tried for the new one.
 */
const oldPinGone = (
  place: ConfigPlace,
  open: OpenConfig,
  { name, pinName, uri, pin }: Pick<PinApart, "name" | "pinName" | "uri" | "pin">
): Effect.Effect<ReadonlyArray<FileChange>, ConfigFileNotEditable> =>
  Effect.gen(function* () {
    const { secrets } = open.own
    const pinKey = fullKey(pinName)
    const oldPin = secrets.layer.entries.get(pinKey)?.value
    const value = open.sources.file.entries.get(fullKey(name))?.value
    const oldUri = typeof value === "string" ? (textWithoutPin(value) ?? value) : undefined
    if (typeof oldPin !== "string" || oldPin === pin || oldUri === uri) return []
    const shared = yield* sharedChange(place, open, name, oldUri && withPin(oldUri, oldPin))
    const cleared = yield* editedOwn(secrets, { key: pinKey, at: pinKey.split("."), value: undefined })
    return [shared, ownChange(secrets, cleared, true)]
  })

const withPin = (uri: string, pin: string): string =>
  `${uri}${uri.includes("?") ? "&" : "?"}pin-value=${encodeURIComponent(pin)}`
