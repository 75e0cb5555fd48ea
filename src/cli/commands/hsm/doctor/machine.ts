/** The check of `tedge hsm doctor` for copies: an image of a connected device, running on another machine. */
import { Effect } from "effect"
import { explainOtherMachine } from "../../../../messages/explain/platform.ts"
import type { CloudSettings } from "../../../../messages/settings/resolved-settings.ts"
import { textIfReadable } from "../../../../platform/files/read-file.ts"
import {
  isSameMachine,
  type MachineMark,
  machineFile,
  machineMark,
  parseMachineMark
} from "../../../../platform/process/machine-mark.ts"
import type { Examination } from "./examination.ts"

/** No output for a device that was never connected. */
export const machineCheck = (
  { pass, fail }: Examination,
  { configDir }: Pick<CloudSettings, "configDir">,
  present: MachineMark = machineMark()
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const connected = parseMachineMark(textIfReadable(machineFile(configDir)) ?? "")
    if (connected === undefined) return Effect.void
    return isSameMachine(connected, present)
      ? pass(name, "the device was connected on this machine")
      : fail(name, explainOtherMachine(configDir))
  })

const name = "machine"
