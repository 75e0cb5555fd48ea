/**
 * The warnings that a reading command reports.
 *
 * Exposed PINs and passwords, and problems with the settings of tedge-p11-server, are reported when one is read, by connect,
 * doctor and the services: at every command they would hide other warnings. Does not load Effect: config-get uses it too.
 */
import type { SettingWarning } from "../../messages/settings/refused-value.ts"

/** `asked`: the requested setting, by full key, and whether its value is or contains a secret; undefined: all settings. */
export const reportedWarnings = (
  asked: { readonly key: string; readonly secret: boolean } | undefined,
  warnings: ReadonlyArray<SettingWarning>
): ReadonlyArray<SettingWarning> =>
  warnings.filter((warning) => {
    if (warning.kind === "old-place") return warning.key === asked?.key
    return warning.kind !== "secret-exposed" || asked?.secret === true
  })
