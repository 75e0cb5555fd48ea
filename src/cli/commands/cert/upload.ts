/** `tedge cert upload c8y`: adds the device certificate to the tenant's trusted certificates. */
import { existsSync } from "node:fs"
import { Effect } from "effect"
import { pendingPath } from "../../../messages/certificate.ts"
import { neededId } from "../../../messages/config.ts"
import { InputClosed } from "../../../messages/hsm.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { whileWaiting } from "../../terminal/progress.ts"
import { pinFrom } from "../hsm/ask-pin.ts"
import { askLimits, type TokenCommand } from "../hsm/token-command.ts"
import { readCertificate } from "./certificate-files.ts"
import { cloudHttp, currentTenant, trustCertificate } from "./cumulocity-http.ts"

export const uploadCertificate: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { actors, input, prompts, terminal } = context
    const { settings } = yield* actors.config.ask(
      "ReadCloudSettings",
      { cloud: "c8y", profile: input.text("profile"), secrets: "proxy" },
      { within: askLimits.read }
    )
    const { device } = settings.cloud
    const id = yield* neededId(`${settings.cloud.prefix}.device.id`, device)
    const isNew = existsSync(pendingPath(device.certPath))
    const { text } = yield* readCertificate(isNew ? pendingPath(device.certPath) : device.certPath)
    const http = yield* cloudHttp(settings, undefined)
    const user = input.text("user") ?? (yield* prompts.text("Enter username: "))
    if (user === undefined) return yield* new InputClosed({ option: "--user" })
    const login = { user, password: yield* pinFrom(context, "password", "Enter password: ") }
    const outcome = yield* whileWaiting(
      terminal,
      { title: `waiting for ${http.origin}` },
      Effect.flatMap(currentTenant(http, login), (tenant) => trustCertificate(http, tenant, id, text, login))
    )
    const which = isNew ? "New device certificate" : "Device certificate"
    yield* terminal.line(
      outcome === "added" ? `${which} uploaded successfully.` : `${which} already exists in the cloud.`
    )
    return exitCodes.ok
  })
