/**
 * `tedge cert download c8y`: enrols the device with the CA of the tenant (EST, RFC 7030).
 *
 * Waits until the device is registered; an error that waiting cannot fix ends it. An existing certificate is
 * kept: the new one is stored beside it until a connection with it succeeds.
 */
import { randomBytes } from "node:crypto"
import { Duration, Effect, Redacted } from "effect"
import {
  DurationInvalid,
  type EnrolmentResponseInvalid,
  EnrolmentTimedOut,
  type HttpRefused,
  type HttpUnreachable,
  isDistrust,
  pendingPath
} from "../../../messages/certificate.ts"
import { InputClosed } from "../../../messages/hsm.ts"
import { durationMs } from "../../../messages/settings/duration.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"
import { dateNow } from "../../../runtime/primitives/wall-time.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { whileWaiting } from "../../terminal/progress.ts"
import { askLimits, type CommandContext, type TokenCommand } from "../hsm/token-command.ts"
import { type CertSettings, certSettingsOf, subjectFor, writeCertificate } from "./cert-command.ts"
import { isTaken } from "./certificate-files.ts"
import { certificateText } from "./certificate-text.ts"
import { givenRequest, keepRequest, newRequest } from "./create-csr.ts"
import { type CloudHttp, cloudHttp, enrol, type Login, leafFor } from "./cumulocity-http.ts"

export const downloadCertificate: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { actors, input, terminal } = context
    const selector = { cloud: "c8y" as const, profile: input.text("profile") }
    const { settings } = yield* actors.config.ask("ReadCloudSettings", selector, { within: askLimits.read })
    const of = certSettingsOf(settings)
    const { certPath } = of.device
    // Checked before anything is created or sent.
    const retryLimits = yield* Effect.all({
      everyMs: milliseconds(context, "retry-every"),
      limitMs: milliseconds(context, "max-timeout")
    })
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

const requestFor = (context: CommandContext, of: CertSettings) =>
  Effect.gen(function* () {
    const { input } = context
    const path = input.text("csr-path")
    if (path === undefined) {
      const written = { path: of.device.certPath, name: `${of.prefix}cert_path` }
      const { request, key, subject } = yield* newRequest(context, of, written)
      yield* keepRequest(context, of, request)
      return { request, key, deviceId: subject.commonName }
    }
    const { request, key, commonName } = yield* givenRequest(context, of, path)
    // The device is registered under the name in the request, unless another is given.
    const isNamed = input.text("device-id") !== undefined || input.given("device-id")
    const deviceId = isNamed ? undefined : commonName
    return { request, key, deviceId: deviceId ?? (yield* subjectFor(context, of)).commonName }
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

const milliseconds = ({ input }: CommandContext, option: string): Effect.Effect<number, DurationInvalid> => {
  const text = input.text(option) ?? ""
  const ms = durationMs(text)
  return ms === undefined ? Effect.fail(new DurationInvalid({ option: `--${option}`, text })) : Effect.succeed(ms)
}

type Refused = HttpRefused | HttpUnreachable | EnrolmentResponseInvalid | EnrolmentTimedOut

/** Retries until the device is registered in the cloud, or waiting cannot help. */
const enrolWithRetries = (
  { terminal }: CommandContext,
  {
    http,
    request,
    login
  }: {
    readonly http: CloudHttp
    readonly request: string
    readonly login: Login
  },
  { everyMs, limitMs }: { readonly everyMs: number; readonly limitMs: number }
): Effect.Effect<ReadonlyArray<string>, Refused> =>
  Effect.gen(function* () {
    const until = (yield* monotonicNow) + limitMs
    // One attempt is made even if the time is over.
    const enrolInTime = Effect.flatMap(monotonicNow, (now) => enrol(http, request, login, Math.max(1_000, until - now)))
    const once: Effect.Effect<ReadonlyArray<string>, Refused> = Effect.catchIf(enrolInTime, isTemporary, (failure) =>
      Effect.gen(function* () {
        yield* isNotRegistered(failure)
          ? terminal.line(
              `The device '${login.user}' is not registered yet with this one-time password at ${http.origin}`
            )
          : terminal.failure(failure)
        if ((yield* monotonicNow) + everyMs > until)
          return yield* new EnrolmentTimedOut({ url: http.origin, afterMs: limitMs })
        yield* terminal.line(`Will retry in ${Math.round(everyMs / 1000)} seconds`)
        yield* Effect.sleep(Duration.millis(everyMs))
        return yield* once
      })
    )
    const title = `waiting until '${login.user}' is registered at ${http.origin}`
    return yield* whileWaiting(terminal, { title, limitMs }, once)
  })

const isNotRegistered = (failure: HttpRefused | HttpUnreachable): boolean =>
  failure._tag === "HttpRefused" && [401, 403, 404].includes(failure.status)

/** Not registered yet, too busy, or unreachable: retry. Other errors are final. */
const isTemporary = (failure: Refused): failure is HttpRefused | HttpUnreachable => {
  switch (failure._tag) {
    case "HttpUnreachable":
      // A proxy that requires another login, or denies the host, will not change its mind.
      if (failure.proxy !== undefined) return !isDistrust(failure) && !failure.code.startsWith("4")
      // A device's clock may be set late; an untrusted CA stays untrusted.
      return failure.code === "CERT_NOT_YET_VALID" || !isDistrust(failure)
    case "HttpRefused":
      return isNotRegistered(failure) || failure.status === 408 || failure.status === 429 || failure.status >= 500
    default:
      return false
  }
}
