/** `config set | unset | add | remove`: the change of the file's content. Writing it is edit-file.ts. */
import { Effect, Redacted, Result } from "effect"
import { InvalidSetting, type SettingSelector, type Warned, type WriteRefusal } from "../../messages/config.ts"
import { parsePkcs11Uri } from "../../messages/pkcs11-uri.ts"
import { emptyLayer } from "../../messages/settings/layer.ts"
import { hasNoEffect, refusedByCloud } from "../../messages/settings/refused-by-cloud.ts"
import type { ValueProblem } from "../../messages/settings/refused-value.ts"
import { resolveSetting, type Sources } from "../../messages/settings/resolve.ts"
import type { SettingType, Value } from "../../messages/settings/setting.ts"
import { fullKey, type SettingName } from "../../messages/settings/setting-name.ts"
import { parseText } from "../../messages/settings/value.ts"
import { withoutPin, withoutUserPassword } from "../../messages/shown-text.ts"
import { type ConfigWriting, editFile, rewriteFile } from "./edit-file.ts"
import { findSetting, type OpenConfig } from "./open-config.ts"
import type { ConfigPlace } from "./read-sources.ts"
import { pinnedUri } from "./uri-pin.ts"

type Change = SettingSelector & { readonly value: Redacted.Redacted<string> }

export const setSetting = (place: ConfigPlace, writing: ConfigWriting, change: Change) =>
  reportingNoEffect(
    place,
    change,
    changeSetting(place, writing, change, (name) => {
      const text = Redacted.value(change.value)
      return text === "" ? Effect.succeed(undefined) : parseArgument(place, name, change.key, text)
    })
  )

const reportingNoEffect = (
  place: ConfigPlace,
  { key, profile, value }: Change,
  change: Effect.Effect<Warned, WriteRefusal>
): Effect.Effect<Warned, WriteRefusal> =>
  Effect.gen(function* () {
    const done = yield* change
    const { name } = yield* findSetting(place, { key, profile })
    if (Redacted.value(value) === "" || !hasNoEffect(name.setting.key)) return done
    return { warnings: [...done.warnings, { kind: "no-effect", key: fullKey(name) }] }
  })

export const unsetSetting = (place: ConfigPlace, writing: ConfigWriting, selector: SettingSelector) =>
  changeSetting(place, writing, selector, () => Effect.succeed(undefined))

/** Writes the file unchanged: fails for the same reasons as a change. */
export const checkWritable = (
  place: ConfigPlace,
  writing: ConfigWriting,
  selector: SettingSelector
): Effect.Effect<Warned, WriteRefusal> =>
  Effect.gen(function* () {
    const { name, warnings } = yield* findSetting(place, selector)
    return { warnings: [...warnings, ...(yield* rewriteFile(place, writing, name))] }
  })

export const addToSetting = (place: ConfigPlace, writing: ConfigWriting, change: Change) =>
  reportingNoEffect(
    place,
    change,
    changeSetting(place, writing, change, (name, open) =>
      Effect.gen(function* () {
        const given = yield* parseArgument(place, name, change.key, Redacted.value(change.value))
        if (typeof given !== "object") return given
        return [...new Set([...members(name, open), ...given])].sort()
      })
    )
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
      const resolved = resolveSetting(name, written(open))
      if (resolved.kind === "unset") return unchanged
      // A PIN that was set with the URI was stored separately.
      return resolved.value === given || resolved.value === pinnedUri(given)?.uri ? undefined : unchanged
    })
  )

/** The file is to stay unchanged. */
const unchanged = Symbol("unchanged")

/** `decide` returns the new value; undefined: unset. */
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

/** The files and defaults alone: values of the environment are never written. */
const written = ({ sources, own }: OpenConfig): Sources => ({
  ...sources,
  options: emptyLayer,
  environment: emptyLayer,
  secrets: [own.secrets.layer]
})

const members = (name: SettingName, open: OpenConfig): ReadonlyArray<string> => {
  const resolved = resolveSetting(name, written(open))
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
  const refused = (problem: ValueProblem) => {
    const value = setting.secret ? undefined : withoutUserPassword(withoutPin(text))
    return Effect.fail(new InvalidSetting({ key, value, source: { kind: "argument" }, problem }))
  }
  if (!parsed.ok) return refused(parsed.problem)
  const problem = uriProblem(setting.type, text) ?? refusedByCloud(setting.type, text)
  return problem === undefined ? Effect.succeed(parsed.value) : refused(problem)
}

const uriProblem = (type: SettingType, text: string): ValueProblem | undefined => {
  if (type.kind !== "text" || type.pkcs11Uri === undefined) return undefined
  return Result.match(parsePkcs11Uri(text), {
    onFailure: ({ reason }): ValueProblem => ({ kind: "bad-pkcs11-uri", reason }),
    onSuccess: () => undefined
  })
}
