/** The checks of `tedge hsm doctor` about settings in files where others can read or overwrite them. */
import { Effect } from "effect"
import { type SecretCopy, secretCopies } from "../../../../actors/config/upgrade/upgrade-copies.ts"
import type { ConfigProtocol } from "../../../../messages/config.ts"
import { explainSettingWarning } from "../../../../messages/explain/settings.ts"
import type { SettingWarning } from "../../../../messages/settings/refused-value.ts"
import type { Settings } from "../../../../messages/settings/resolved-settings.ts"
import type { ActorRef } from "../../../../runtime/protocol.ts"
import { notKeptByOthers } from "../../config/read-by-others.ts"
import type { Examination } from "./examination.ts"

/** `warnings`: from reading the settings. */
export const settingsPlaceChecks = (
  { pass, fail }: Examination,
  config: ActorRef<ConfigProtocol>,
  warnings: ReadonlyArray<SettingWarning>,
  { configDir, installation }: Pick<Settings, "configDir" | "installation">
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const copies = secretCopies(configDir)
    const exposed = [...warnings.filter(({ kind }) => kind === "secret-exposed"), ...copies.filter(isExposed)]
    const old = [...warnings.filter(({ kind }) => kind === "old-place"), ...copies.filter((copy) => !isExposed(copy))]
    const lost = yield* notKept(config, installation)
    for (const warning of [...exposed, ...lost]) yield* fail(name, explainSettingWarning(warning))
    if (exposed.length + lost.length > 0) return
    const sentences = old.map(explainSettingWarning).map(({ error, hint }) => `${error} (${hint})`)
    yield* pass(name, sentences.join("; ") || "no secret can be read by others")
  })

const isExposed = ({ mode }: SecretCopy): boolean => (Number.parseInt(mode, 8) & 0o004) !== 0

const name = "settings files"

/** Settings of ours in files that thin-edge's own tedge writes. */
const notKept = (
  config: ActorRef<ConfigProtocol>,
  installation: Settings["installation"]
): Effect.Effect<ReadonlyArray<SettingWarning>> =>
  config.ask("List", { filter: "bridge." }, { within: "30 seconds" }).pipe(
    Effect.map(({ settings }) =>
      settings.filter(({ source }) => source?.kind === "file").flatMap(({ key }) => notKeptByOthers(key, installation))
    ),
    // An unreadable section is a failed check of its own.
    Effect.catch(() => Effect.succeed([]))
  )
