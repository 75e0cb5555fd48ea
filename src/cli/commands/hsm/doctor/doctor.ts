/**
 * `tedge hsm doctor`: checks everything from the settings to the cloud, in that order.
 *
 * Each check prints ✓ or ✗, what was found, and the next step. At most one PIN attempt is made, and only with a PIN that
 * was not refused before. Exit code 1 when a check failed.
 */
import type { KeyObject } from "node:crypto"
import { Effect } from "effect"
import { keyOfCertificate } from "../../../../actors/mqtt/dial/key-signer.ts"
import { explain } from "../../../../messages/explain.ts"
import { shownUri } from "../../../../messages/pkcs11-uri.ts"
import { sameTarget } from "../../../../messages/pkcs11-uri-match.ts"
import type { CloudSettings } from "../../../../messages/settings/resolved-settings.ts"
import { exitCodes } from "../../../command-line/exit-codes.ts"
import { wordsOf } from "../../../terminal/terminal.ts"
import { askLimits, type CommandContext, type TokenCommand } from "../token-command.ts"
import { besideThinEdgeChecks } from "./beside-thin-edge.ts"
import { certificateChecks, type TokenKey } from "./certificate-checks.ts"
import { connectionChecks } from "./connection-checks.ts"
import { machineCheck, serviceFileChecks, settingsPlaceChecks } from "./device-files.ts"
import { type Check, examine } from "./examination.ts"
import { serverChecks } from "./server-checks.ts"
import { tokenChecks } from "./token-checks.ts"

export const doctor: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { terminal, input } = context
    const checks: Array<Check> = []
    const asJson = input.on("json")
    const show = (check: Check) => (asJson ? Effect.void : terminal.answer(lineOf(check)))
    const examination = examine(checks, terminal, show, wordsOf(input.installation))
    const { settings, warnings, failure } = yield* readEverything(context)
    const { device } = settings.cloud
    if (!asJson) yield* terminal.line("At most one PIN is tried, and none that was refused before.")
    if (failure !== undefined) yield* examination.fail(`settings of ${settings.cloud.prefix}`, explain(failure))
    // Incomplete settings have the token off, whatever the mode: its PIN may be what is missing.
    const isHeldBack = failure !== undefined && settings.cryptoki.mode === "off"
    const publicKey = isHeldBack ? undefined : yield* tokenChecks(context, examination, settings, device)
    const key = publicKey === undefined ? undefined : keyOf(context, settings, publicKey)
    yield* machineCheck(examination, settings)
    yield* settingsPlaceChecks(examination, context.actors.config, warnings, settings)
    yield* serviceFileChecks(examination, settings)
    yield* certificateChecks(examination, device.certPath, key)
    yield* serverChecks(examination, settings)
    yield* connectionChecks(context, examination, settings)
    yield* besideThinEdgeChecks(examination, settings)
    if (asJson) yield* terminal.answer(`${JSON.stringify(checks, null, 2)}\n`)
    return checks.every((check) => check.ok) ? exitCodes.ok : exitCodes.failed
  })

const keyOf = ({ actors }: CommandContext, settings: CloudSettings, publicKey: KeyObject): TokenKey => {
  const { key } = settings.cloud.device
  const own = settings.device.key.uri
  const isShared = own !== undefined && key.uri !== undefined && sameTarget(own, key.uri)
  return {
    publicKey,
    named: {
      uri: shownUri(key.uri ?? {}),
      setting: isShared ? "device.key_uri" : `${settings.cloud.prefix}.device.key_uri`
    },
    findCertified: (spki) =>
      Effect.map(keyOfCertificate(actors.cryptoki, key, spki, 90_000), (found) =>
        found === undefined ? undefined : shownUri(found.uri ?? {})
      )
  }
}

/** With a cloud whose settings are unreadable, the other checks still run. */
const readEverything = ({ actors, input }: CommandContext) =>
  Effect.gen(function* () {
    const within = { within: askLimits.read }
    const selector = input.cloud ?? { cloud: "c8y" as const, profile: undefined }
    const whole = yield* Effect.result(actors.config.ask("ReadCloudSettings", selector, within))
    if (whole._tag === "Success") return { ...whole.success, failure: undefined }
    const { failure } = whole
    if (failure._tag === "UnknownProfile") return yield* Effect.fail(failure)
    const bare = actors.config.ask("ReadCloudSettings", { ...selector, bare: true }, within)
    return { ...(yield* Effect.mapError(bare, () => failure)), failure }
  })

const lineOf = ({ name, ok, detail, hint }: Check): string =>
  `${ok ? "✓" : "✗"} ${name}: ${detail}\n${hint === undefined ? "" : `    hint: ${hint}\n`}`
