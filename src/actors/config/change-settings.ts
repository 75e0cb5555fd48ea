/** `config set | unset | add | remove`: what a change means for the file. Writing it is edit-file.ts. */
import { Effect, Redacted } from "effect"
import { InvalidSetting, type SettingSelector, type Warned, type WriteRefusal } from "../../messages/config.ts"
import { resolveSetting } from "../../messages/settings/resolve.ts"
import type { Value } from "../../messages/settings/setting.ts"
import type { SettingName } from "../../messages/settings/setting-name.ts"
import { parseText } from "../../messages/settings/value.ts"
import { type ConfigWriting, editFile } from "./edit-file.ts"
import { findSetting, type OpenConfig } from "./open-config.ts"
import type { ConfigPlace } from "./read-sources.ts"

type Change = SettingSelector & { readonly value: Redacted.Redacted<string> }

export const setSetting = (place: ConfigPlace, writing: ConfigWriting, change: Change) =>
  changeSetting(place, writing, change, (name) => {
    const text = Redacted.value(change.value)
    return text === "" ? Effect.succeed(undefined) : parseArgument(place, name, change.key, text)
  })

export const unsetSetting = (place: ConfigPlace, writing: ConfigWriting, selector: SettingSelector) =>
  changeSetting(place, writing, selector, () => Effect.succeed(undefined))

export const addToSetting = (place: ConfigPlace, writing: ConfigWriting, change: Change) =>
  changeSetting(place, writing, change, (name, open) =>
    Effect.gen(function* () {
      const given = yield* parseArgument(place, name, change.key, Redacted.value(change.value))
      if (typeof given !== "object") return given
      return [...new Set([...members(name, open), ...given])].sort()
    })
  )

export const removeFromSetting = (place: ConfigPlace, writing: ConfigWriting, change: Change) =>
  changeSetting(place, writing, change, (name, open) =>
    Effect.gen(function* () {
      const given = yield* parseArgument(place, name, change.key, Redacted.value(change.value))
      if (typeof given === "object") {
        const present = members(name, open)
        const left = present.filter((member) => !given.includes(member))
        return left.length === present.length ? unchanged : [...left].sort()
      }
      const resolved = resolveSetting(name, open.sources)
      return resolved.kind === "value" && resolved.value === given ? undefined : unchanged
    })
  )

/** The file shall stay as it is. */
const unchanged = Symbol("unchanged")

/** `decide` answers the new value; undefined: unset. */
const changeSetting = (
  place: ConfigPlace,
  writing: ConfigWriting,
  selector: SettingSelector,
  decide: (name: SettingName, open: OpenConfig) => Effect.Effect<Value | undefined | typeof unchanged, InvalidSetting>
): Effect.Effect<Warned, WriteRefusal> =>
  Effect.gen(function* () {
    const { name, warnings } = yield* findSetting(place, selector)
    const written = yield* editFile(place, writing, name, (open) =>
      Effect.map(decide(name, open), (value) => (value === unchanged ? undefined : { value }))
    )
    return { warnings: [...warnings, ...written] }
  })

const members = (name: SettingName, open: OpenConfig): ReadonlyArray<string> => {
  const resolved = resolveSetting(name, open.sources)
  return resolved.kind === "value" && typeof resolved.value === "object" ? resolved.value : []
}

const parseArgument = (
  place: ConfigPlace,
  { setting, spelling }: SettingName,
  key: string,
  text: string
): Effect.Effect<Value, InvalidSetting> => {
  const meant = (spelling === "deprecated" ? setting.deprecatedWords?.[text] : undefined) ?? text
  const parsed = parseText(setting.type, meant, place.workingDir)
  if (parsed.ok) return Effect.succeed(parsed.value)
  const value = setting.secret ? undefined : text
  return Effect.fail(new InvalidSetting({ key, value, source: { kind: "argument" }, problem: parsed.problem }))
}
