/**
 * `tedge cert download c8y`: enrols the device with the CA of the tenant (EST, RFC 7030).
 *
 * Waits until the device is registered; an error that waiting cannot fix ends it. An existing certificate is
 * kept: the new one is stored beside it until a connection with it succeeds.
 */
import { randomBytes } from "node:crypto"
import { Effect, Redacted } from "effect"
import { DurationInvalid, pendingPath } from "../../../messages/certificate.ts"
import { InputClosed } from "../../../messages/hsm.ts"
import { durationMs } from "../../../messages/settings/duration.ts"
import { dateNow } from "../../../runtime/primitives/wall-time.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { askLimits, type CommandContext, type TokenCommand } from "../hsm/token-command.ts"
import { type CertSettings, certSettingsOf, subjectFor, writeCertificate } from "./cert-command.ts"
import { isTaken } from "./certificate-files.ts"
import { certificateText } from "./certificate-text.ts"
import { keepRequest, newRequest } from "./create-csr.ts"
import { type CloudHttp, cloudHttp, type Login } from "./cumulocity-http.ts"
import { enrolWithRetries, type RetryLimits } from "./enrol-with-retries.ts"
import { givenRequest } from "./given-request.ts"
import { leafFor } from "./issued.ts"

export const downloadCertificate: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { actors, input, terminal } = context
    const selector = { cloud: "c8y" as const, profile: input.text("profile") }
    const { settings } = yield* actors.config.ask("ReadCloudSettings", selector, { within: askLimits.read })
    const of = certSettingsOf(settings)
    const { certPath } = of.device
    const retryLimits = yield* limits(context)
    const http = yield* cloudHttp(settings, input.text("url"))
    const { request, key, deviceId } = yield* requestFor(context, of)
    const login = yield* oneTimeLogin(context, http, deviceId)
    const found = yield* enrolWithRetries(context, { http, request, login }, retryLimits)
    const leaf = yield* leafFor(found, key, http)
    const path = isTaken(certPath) ? pendingPath(certPath) : certPath
    yield* writeCertificate(of, path, found.join(""))
    yield* terminal.line(`Certificate downloaded successfully: ${path}`)
    if (path !== certPath)
      yield* terminal.line(`    ${certPath} was kept; the new one is used after: tedge reconnect c8y`)
    const now = yield* dateNow
    yield* terminal.answer(certificateText(path, leaf, now, settings.certificate.minimumValidityMs))
    return exitCodes.ok
  })

const requestFor = (context: CommandContext, of: CertSettings) => {
  const path = context.input.text("csr-path")
  return path === undefined ? madeRequest(context, of) : namedRequest(context, of, path)
}

const madeRequest = (context: CommandContext, of: CertSettings) =>
  newRequest(context, of, { path: of.device.certPath, name: `${of.prefix}cert_path` }).pipe(
    Effect.tap(({ request }) => keepRequest(context, of, request)),
    Effect.map(({ request, key, subject }) => ({ request, key, deviceId: subject.commonName }))
  )

/** The device is registered under the name in the request, unless another is given. */
const namedRequest = (context: CommandContext, of: CertSettings, path: string) =>
  Effect.gen(function* () {
    const { request, key, commonName } = yield* givenRequest(context, of, path)
    const { input } = context
    const isNamed = input.text("device-id") !== undefined || input.given("device-id")
    if (commonName !== undefined && !isNamed) return { request, key, deviceId: commonName }
    return { request, key, deviceId: (yield* subjectFor(context, of)).commonName }
  })

/** The one-time password the device is registered with; a generated one is printed, to be entered in the cloud. */
const oneTimeLogin = ({ input, terminal, prompts }: CommandContext, http: CloudHttp, deviceId: string) =>
  Effect.gen(function* () {
    const address = `${http.origin}/apps/devicemanagement/index.html#/deviceregistration`
    const showsAddress = !input.on("no-registration-url")
    const isAsked = input.on("prompt") && input.secret("one-time-password") === undefined
    const asked = isAsked ? yield* prompts.secret("One-time password: ") : undefined
    const given = input.secret("one-time-password") ?? asked
    if (isAsked && given === undefined) return yield* new InputClosed({ option: "--one-time-password" })
    if (given !== undefined) {
      yield* terminal.line(`Device id: ${deviceId}`)
      if (showsAddress) yield* terminal.line(`Registered at: ${address}`)
      return { user: deviceId, password: given } satisfies Login
    }
    const made = randomBytes(24).toString("base64url")
    const query = new URLSearchParams({ externalId: deviceId, "one-time-password": made })
    yield* terminal.line("Register the device in the cloud with:")
    yield* terminal.line(`    device id: ${deviceId}`)
    yield* terminal.line(`    one-time password: ${made}`)
    if (showsAddress) yield* terminal.line(`    or open: ${address}?${query}`)
    return { user: deviceId, password: Redacted.make(made) } satisfies Login
  })

/** Checked before anything is created or sent. */
const limits = (context: CommandContext): Effect.Effect<RetryLimits, DurationInvalid> =>
  Effect.all({ everyMs: milliseconds(context, "retry-every"), limitMs: milliseconds(context, "max-timeout") })

const milliseconds = ({ input }: CommandContext, option: string): Effect.Effect<number, DurationInvalid> => {
  const text = input.text(option) ?? ""
  const ms = durationMs(text)
  return ms === undefined ? Effect.fail(new DurationInvalid({ option: `--${option}`, text })) : Effect.succeed(ms)
}
