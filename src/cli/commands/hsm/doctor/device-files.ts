/** The checks of `tedge hsm doctor` about files of the device: settings and secrets, what services must read, copies of an image. */
import { Effect } from "effect"
import { type SecretCopy, secretCopies } from "../../../../actors/config/upgrade/upgrade-copies.ts"
import type { ConfigProtocol } from "../../../../messages/config.ts"
import { explainFileNote, explainOtherMachine } from "../../../../messages/explain/platform.ts"
import { explainSettingWarning } from "../../../../messages/explain/settings.ts"
import type { SettingWarning } from "../../../../messages/settings/refused-value.ts"
import type { CloudSettings, Settings } from "../../../../messages/settings/resolved-settings.ts"
import { serviceFiles } from "../../../../messages/settings/service-files.ts"
import { textIfReadable } from "../../../../platform/files/read-file.ts"
import {
  isSameMachine,
  type MachineMark,
  machineFile,
  machineMark,
  parseMachineMark
} from "../../../../platform/process/machine-mark.ts"
import { closedToServices } from "../../../../platform/users/service-access.ts"
import { serviceUser } from "../../../../platform/users/service-user.ts"
import type { ActorRef } from "../../../../runtime/protocol.ts"
import { notKeptByOthers } from "../../config/read-by-others.ts"
import type { Examination } from "./examination.ts"

/** Settings in files where others can read or overwrite them. `warnings`: from reading the settings. */
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
    for (const warning of [...exposed, ...lost]) yield* fail("settings files", explainSettingWarning(warning))
    if (exposed.length + lost.length > 0) return
    const sentences = old.map(explainSettingWarning).map(({ error, hint }) => `${error} (${hint})`)
    yield* pass("settings files", sentences.join("; ") || "no secret can be read by others")
  })

const isExposed = ({ mode }: SecretCopy): boolean => (Number.parseInt(mode, 8) & 0o004) !== 0

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

/** Files that services must read, checked as root: settings, certificates, key and password files. */
export const serviceFileChecks = ({ pass, fail }: Examination, settings: CloudSettings): Effect.Effect<void> => {
  const user = serviceUser(settings.configDir)
  if (user.kind !== "user") return Effect.void
  const notes = closedToServices(user, serviceFiles(settings)).map(({ path, note }) => explainFileNote(path, note))
  return notes.length === 0
    ? pass("files of the services", `'${user.name}' may read settings and certificates`)
    : Effect.forEach(
        notes,
        (text) => {
          // In the form used in logs: the problem, a semicolon, the command that fixes it.
          const at = text.lastIndexOf("; ")
          return fail("files of the services", { error: text.slice(0, at), hint: text.slice(at + 2) })
        },
        { discard: true }
      )
}

/** An image of a connected device, running on another machine. No output for a device that was never connected. */
export const machineCheck = (
  { pass, fail }: Examination,
  { configDir }: Pick<CloudSettings, "configDir">,
  present: MachineMark = machineMark()
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const connected = parseMachineMark(textIfReadable(machineFile(configDir)) ?? "")
    if (connected === undefined) return Effect.void
    return isSameMachine(connected, present)
      ? pass("machine", "the device was connected on this machine")
      : fail("machine", explainOtherMachine(configDir))
  })
