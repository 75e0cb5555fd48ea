/**
 * A PIN in the PKCS#11 URI of a setting (RFC 7512, 2.4, `pin-value`): it is a secret as any other, and its place is the
 * setting for the PIN beside the URI. Free of Effect but for `pinnedUri`.
 */
import { Redacted, Result } from "effect"
import { parsePkcs11Uri } from "../../messages/pkcs11-uri.ts"
import { knownProfiles, type Sources } from "../../messages/settings/resolve.ts"
import { cloudNames, type Value } from "../../messages/settings/setting.ts"
import { fullKey, type SettingName, settingByKey } from "../../messages/settings/setting-name.ts"
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

/** Where the PIN of a URI belongs: `device.key_pin` for `device.key_uri`. Undefined: the setting is no URI. */
export const pinNameOf = ({ setting, profile }: Pick<SettingName, "setting" | "profile">): SettingName | undefined => {
  const key = setting.key === "device.cryptoki.uri" ? "device.cryptoki.pin" : setting.key.replace(/key_uri$/, "key_pin")
  const pin = settingByKey(key)
  return pin?.secret === true && pin !== setting ? { setting: pin, profile, spelling: "canonical" } : undefined
}

/** What the settings files say, by full key. */
export type Texts = (key: string) => Value | undefined

/** The files' texts of URIs and PINs; `changed` takes precedence over them. */
export const textsOf =
  ({ secrets = [], file }: Sources, changed: ReadonlyMap<string, Value | undefined> = new Map()): Texts =>
  (key) =>
    changed.has(key)
      ? changed.get(key)
      : [...secrets, file].map(({ entries }) => entries.get(key)?.value).find((value) => value !== undefined)

/** The prefixes of the keys of each section; that of the device is empty. */
export const sectionPrefixes = (sources: Sources): ReadonlyArray<string> => [
  "",
  ...cloudNames.flatMap((cloud) => [
    `${cloud}.`,
    ...knownProfiles(sources, cloud).map((profile) => `${cloud}.profiles.${profile}.`)
  ])
]

/**
 * The section that would sign with another PIN after a change; undefined: none. A PIN that leaves `device.key_uri` for
 * `device.key_pin` counts for the sections that have a URI of their own, too.
 */
export const sectionWithOtherPin = (sections: ReadonlyArray<string>, before: Texts, after: Texts): string | undefined =>
  sections.find((section) => pinUsed(before, section) !== pinUsed(after, section))

/** As the token's session chooses it, but for what is the provider's. */
const pinUsed = (text: Texts, section: string): Value | undefined => {
  const first = (name: string) => text(`${section}device.${name}`) ?? text(`device.${name}`)
  return pinnedUri(first("key_uri"))?.pin ?? first("key_pin")
}

/** The name of the setting for the PIN, in full. */
export const pinKeyOf = (name: Pick<SettingName, "setting" | "profile">): string | undefined => {
  const pin = pinNameOf(name)
  return pin && fullKey(pin)
}
