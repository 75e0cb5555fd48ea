/**
 * ConfigActor: the settings of the device, read and changed.
 *
 * It keeps nothing between messages: each reads the file again, so an edit by hand counts at once.
 */
import { Effect } from "effect"
import type { ConfigProtocol, SectionLeftOut } from "../../messages/config.ts"
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
  openForReading,
  openForUse,
  openForWriting,
  refuseOwnFault,
  refuseUnknownProfile,
  refuseUnusable,
  usableProfile,
  withoutSection
} from "./open-config.ts"
import type { ConfigPlace } from "./read-sources.ts"
import { profileFrom } from "./select-setting.ts"
import { listedSettings, showSetting } from "./show-settings.ts"
import { toldWith } from "./told-warnings.ts"
import { upgradeFiles } from "./upgrade/upgrade-files.ts"

export const configMailbox: MailboxSpec = { capacity: 64, overflow: { policy: "refuse" } }

export const configBehaviour = (place: ConfigPlace, writing: ConfigWriting): Behaviour<ConfigProtocol> => ({
  init: () =>
    Effect.succeed({
      ReadSettings: () => readSettings(place),
      ReadCloudSettings: (wanted) => readCloudSettings(place, wanted),
      ReadProfiles: ({ cloud }) => readProfiles(place, cloud),
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

const readSettings = (place: ConfigPlace): Reads<"ReadSettings"> =>
  Effect.gen(function* () {
    const { sources, warnings } = yield* openForUse(place, undefined)
    return { settings: yield* buildSettings(sources, place), warnings }
  })

const readCloudSettings = (place: ConfigPlace, wanted: Payload<"ReadCloudSettings">): Reads<"ReadCloudSettings"> =>
  Effect.gen(function* () {
    const { cloud } = wanted
    const given = wanted.profile === null ? undefined : (wanted.profile ?? profileFrom(place.environment))
    const profile = given === undefined ? undefined : yield* usableProfile(given)
    const section = { cloud, profile }
    if (wanted.bare === true) {
      const whole = yield* openForWriting(place)
      const open = withoutSection(whole, section)
      const settings = yield* buildCloudSettings(open, place, section, "bare")
      // No other PIN than that of the settings is ever tried.
      const cryptoki = mayLackSecret(whole, section)
        ? { ...settings.cryptoki, mode: "off" as const }
        : settings.cryptoki
      return { settings: { ...settings, cryptoki }, warnings: open.warnings }
    }
    const open = yield* openForUse(place, section)
    yield* refuseUnknownProfile(open.sources, cloud, profile)
    return { settings: yield* buildCloudSettings(open, place, section), warnings: open.warnings }
  })

const readProfiles = (place: ConfigPlace, cloud: Payload<"ReadProfiles">["cloud"]): Reads<"ReadProfiles"> =>
  Effect.gen(function* () {
    const open = yield* openForUse(place, undefined)
    const profiles: Array<CloudSettings> = []
    const leftOut: Array<SectionLeftOut> = []
    for (const profile of [undefined, ...knownProfiles(open.sources, cloud)]) {
      const section = { cloud, profile }
      const built = yield* Effect.result(
        Effect.andThen(refuseUnusable(open, section), buildCloudSettings(open, place, section))
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
    const open = yield* openForReading(place, cloud && { cloud, profile: name.profile })
    yield* refuseOwnFault(open, name.setting.key)
    yield* refuseUnknownProfile(open.sources, cloud, name.profile)
    const shown = showSetting(name.setting, name.profile, open.sources)
    const resolved = resolveSetting(name, open.sources)
    const idProblem = resolved.kind === "unset" ? resolved.idProblem : undefined
    return { ...shown, idProblem, warnings: [...warnings, ...toldWith(shown, open.warnings)] }
  })

const listSettings = (place: ConfigPlace, filter: string): Reads<"List"> =>
  Effect.gen(function* () {
    const open = yield* openForReading(place, undefined)
    const { sources } = open
    const { path, problem } = open.own.secrets
    const matching = listedSettings(sources, filter)
    const listed = problem === undefined ? matching : matching.filter(({ setting }) => setting.secret !== true)
    const leftOut: ReadonlyArray<SettingWarning> =
      problem === undefined || listed.length === matching.length ? [] : [{ kind: "secrets-left-out", path, problem }]
    const warnings = [...toldWith(undefined, open.warnings), ...leftOut]
    for (const { setting } of listed) yield* refuseOwnFault(open, setting.key)
    for (const { cloud, profile } of listed) if (cloud !== undefined) yield* refuseUnusable(open, { cloud, profile })
    return { settings: listed.map(({ setting, profile }) => showSetting(setting, profile, sources)), warnings }
  })
