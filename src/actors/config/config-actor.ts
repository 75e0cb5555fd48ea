/**
 * ConfigActor: the settings of the device, read and changed.
 *
 * It has no state between messages: each reads the files again, so a manual edit takes effect immediately.
 */
import { Effect } from "effect"
import type {
  ConfigFileRefusal,
  ConfigProtocol,
  InvalidSetting,
  ReadRefusal,
  SectionLeftOut,
  ShownSetting
} from "../../messages/config.ts"
import type { SettingWarning } from "../../messages/settings/refused-value.ts"
import { knownProfiles, resolveSetting } from "../../messages/settings/resolve.ts"
import type { CloudSettings } from "../../messages/settings/resolved-settings.ts"
import { cloudOf } from "../../messages/settings/setting-name.ts"
import type { Behaviour, MailboxSpec } from "../../runtime/actor.ts"
import { buildCloudSettings, buildSettings } from "./build-settings.ts"
import { addToSetting, checkWritable, removeFromSetting, setSetting, unsetSetting } from "./change-settings.ts"
import type { ConfigWriting } from "./edit-file.ts"
import {
  findSetting,
  isConfigured,
  mayLackSecret,
  type OpenConfig,
  openForUse,
  openForWriting,
  refuseConsulted,
  refuseFault,
  refuseOwnFault,
  refuseUnknownProfile,
  refuseUnusable,
  usableProfile,
  withoutBadUris,
  withoutSection
} from "./open-config.ts"
import type { ConfigPlace } from "./read-sources.ts"
import { reportedWarnings } from "./reported-warnings.ts"
import { profileFrom } from "./select-setting.ts"
import { listedSettings, showSetting } from "./show-settings.ts"
import { upgradeFiles } from "./upgrade/upgrade-files.ts"

export const configMailbox: MailboxSpec = { capacity: 64, overflow: { policy: "refuse" } }

export const configBehaviour = (place: ConfigPlace, writing: ConfigWriting): Behaviour<ConfigProtocol> => ({
  init: () =>
    Effect.succeed({
      ReadSettings: (need) =>
        Effect.gen(function* () {
          const open = yield* openForUse(place, undefined, need)
          return { settings: yield* buildSettings(open.sources, place, howOf(open)), warnings: open.warnings }
        }),
      ReadCloudSettings: (wanted) => readCloudSettings(place, wanted),
      ReadProfiles: (wanted) => readProfiles(place, wanted),
      Get: (selector) => getSetting(place, selector),
      List: ({ filter }) => listSettings(place, filter),
      CheckWritable: (selector) => checkWritable(place, writing, selector),
      Set: (change) => setSetting(place, writing, change),
      Unset: (selector) => unsetSetting(place, writing, selector),
      Add: (change) => addToSetting(place, writing, change),
      Remove: (change) => removeFromSetting(place, writing, change),
      Upgrade: () => upgradeFiles(place, writing)
    })
})

type Payload<Tag extends keyof ConfigProtocol> = ConfigProtocol[Tag]["payload"]
type Reads<Tag extends keyof ConfigProtocol> = Effect.Effect<
  ConfigProtocol[Tag]["answer"],
  ConfigProtocol[Tag]["refusal"]
>

/** Without its password a proxy is set in part. */
const howOf = ({ own }: OpenConfig): "whole" | "bare" => (own.secrets.problem === undefined ? "whole" : "bare")

const readCloudSettings = (place: ConfigPlace, wanted: Payload<"ReadCloudSettings">): Reads<"ReadCloudSettings"> =>
  Effect.gen(function* () {
    const { cloud } = wanted
    const given = wanted.profile === null ? undefined : (wanted.profile ?? profileFrom(place.environment))
    const profile = given === undefined ? undefined : yield* usableProfile(given)
    const section = { cloud, profile }
    if (wanted.bare === true) {
      const whole = yield* openForWriting(place)
      const open = withoutSection(whole, section)
      const settings = yield* buildCloudSettings(withoutBadUris(open), place, section, "bare")
      // No PIN but that of the settings is ever tried.
      const cryptoki = mayLackSecret(whole, section)
        ? { ...settings.cryptoki, mode: "off" as const }
        : settings.cryptoki
      return { settings: { ...settings, cryptoki }, warnings: open.warnings }
    }
    const open = yield* openForUse(place, section, wanted)
    yield* refuseUnknownProfile(open, cloud, profile)
    return { settings: yield* buildCloudSettings(open, place, section, howOf(open)), warnings: open.warnings }
  })

const readProfiles = (place: ConfigPlace, { cloud, ...need }: Payload<"ReadProfiles">): Reads<"ReadProfiles"> =>
  Effect.gen(function* () {
    const open = yield* openForUse(place, undefined, need)
    const profiles: Array<CloudSettings> = []
    const leftOut: Array<SectionLeftOut> = []
    for (const profile of [undefined, ...knownProfiles(open.sources, cloud)]) {
      const section = { cloud, profile }
      const built = yield* Effect.result(
        Effect.andThen(refuseUnusable(open, section), buildCloudSettings(open, place, section, howOf(open)))
      )
      if (built._tag === "Success") profiles.push(built.success)
      else leftOut.push({ profile, isConfigured: isConfigured(open, section), failure: built.failure })
    }
    return { profiles, leftOut, warnings: open.warnings }
  })

const getSetting = (place: ConfigPlace, selector: Payload<"Get">): Reads<"Get"> =>
  Effect.gen(function* () {
    const { name, warnings } = yield* findSetting(place, selector)
    const cloud = cloudOf(name.setting)
    const open = yield* openForWriting(place)
    if (cloud !== undefined) yield* refuseFault(open, { cloud, profile: name.profile })
    yield* refuseOwnFault(open, name.setting.key)
    yield* refuseUnknownProfile(open, cloud, name.profile)
    yield* refuseConsulted(open, name)
    const shown = showSetting(name.setting, name.profile, open.sources)
    const resolved = resolveSetting(name, open.sources)
    const idProblem = resolved.kind === "unset" ? resolved.idProblem : undefined
    return { ...shown, idProblem, warnings: [...warnings, ...reportedWarnings(shown, open.warnings)] }
  })

/** An unreadable setting is omitted: the others are still listed. */
const listSettings = (place: ConfigPlace, filter: string): Reads<"List"> =>
  Effect.gen(function* () {
    const open = yield* openForWriting(place)
    const { sources } = open
    const { path, problem } = open.own.secrets
    const settings: Array<ShownSetting> = []
    const leftOut = new Map<string, ReadRefusal>()
    let isSecretLeftOut = false
    for (const { setting, profile, cloud } of listedSettings(sources, filter)) {
      if (problem !== undefined && setting.secret === true) {
        isSecretLeftOut = true
        continue
      }
      const fault = cloud === undefined ? Effect.void : refuseFault(open, { cloud, profile })
      const checked = yield* Effect.result(
        Effect.andThen(
          Effect.andThen(fault, refuseOwnFault(open, setting.key)),
          refuseConsulted(open, { setting, profile })
        )
      )
      if (checked._tag === "Success") settings.push(showSetting(setting, profile, sources))
      else leftOut.set(placeOf(checked.failure), checked.failure)
    }
    const ofSecrets: ReadonlyArray<SettingWarning> =
      problem === undefined || !isSecretLeftOut ? [] : [{ kind: "secrets-left-out", path, problem }]
    return {
      settings,
      leftOut: [...leftOut.values()],
      warnings: [...reportedWarnings(undefined, open.warnings), ...ofSecrets]
    }
  })

const placeOf = (failure: ConfigFileRefusal | InvalidSetting): string =>
  failure._tag === "InvalidSetting" ? `value of ${failure.key}` : failure.path
