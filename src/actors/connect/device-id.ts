/** The device id for a cloud; each accepts other characters. */
import { Effect } from "effect"
import { InvalidSetting, neededId, type SettingMissing } from "../../messages/config.ts"
import { deviceIdProblem } from "../../messages/settings/refused-by-cloud.ts"
import type { CloudSettings } from "../../messages/settings/resolved-settings.ts"

/** `key`: the setting, for a refusal. */
export const cloudDeviceId = (
  { cloud }: CloudSettings,
  key = `${cloud.prefix}.device.id`
): Effect.Effect<string, SettingMissing | InvalidSetting> =>
  Effect.flatMap(neededId(key, cloud.device), (id) => {
    // Topics of Cumulocity do not contain it.
    const problem = cloud.name === "c8y" ? undefined : deviceIdProblem(cloud.name, id)
    if (problem === undefined) return Effect.succeed(id)
    const { certPath, idProblem } = cloud.device
    const source =
      idProblem === undefined ? ({ kind: "certificate", path: certPath } as const) : ({ kind: "argument" } as const)
    return Effect.fail(new InvalidSetting({ key, value: id, source, problem }))
  })
