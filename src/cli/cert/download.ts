/**
 * `tedge cert download c8y`: enrols the device with the CA of the tenant (EST, RFC 7030).
 *
 * Waits until somebody has registered the device there; what cannot heal by waiting ends at once. A present
 * certificate is kept: the new one then waits beside it until a connection with it has succeeded.
 */
import { randomBytes } from "node:crypto"
import { existsSync } from "node:fs"
import { Clock, Duration, Effect, Redacted } from "effect"
import {
  DurationInvalid,
  EnrolmentGarbled,
  EnrolmentTimedOut,
  type HttpRefused,
  type HttpUnreachable
} from "../../messages/certificate.ts"
import { durationMs } from "../../messages/settings/duration.ts"
import { exitCodes } from "../exit-codes.ts"
import { askLimits, type CommandContext, type TokenCommand } from "../hsm/token-command.ts"
import { belongsTo, type CertSettings, pendingPath, writeCertificate } from "./cert-command.ts"
import { certificateText } from "./certificate-text.ts"
import { newRequest } from "./create-csr.ts"
import { type CloudHttp, cloudHttp, enrol, type Login } from "./cumulocity-http.ts"

export const downloadCertificate: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { actors, input, terminal } = context
    const { settings } = yield* actors.config.ask(
      "ReadCloudSettings",
      { cloud: "c8y", profile: input.text("profile") },
      { within: askLimits.read }
    )
    const { device, prefix } = settings.cloud
    const of: CertSettings = {
      settings,
      device,
      idKey: `${prefix}.device.id`,
      usesToken: settings.cryptoki.mode !== "off"
    }
    const patient = yield* patience(context)
    const http = yield* cloudHttp(settings, input.text("url"))
    const { request, key, subject } = yield* newRequest(context, of)
    const login = yield* oneTimeLogin(context, http, subject.commonName)
    const found = yield* enrolPatiently(context, http, request, login, patient)
    const [leaf] = found
    if (leaf === undefined || !belongsTo(leaf, key))
      return yield* new EnrolmentGarbled({
        url: http.origin,
        reason: leaf === undefined ? "noCertificate" : "otherKey"
      })
    const path = existsSync(device.certPath) ? pendingPath(device.certPath) : device.certPath
    yield* writeCertificate(of, path, found.join(""))
    yield* terminal.line(`Certificate downloaded successfully: ${path}`)
    const now = new Date(yield* Clock.currentTimeMillis)
    yield* terminal.answer(certificateText(path, leaf, now, settings.certificate.minimumValidityMs))
    return exitCodes.ok
  })

/** The password the device is registered with; one that we make is shown, since a person must type it there. */
const oneTimeLogin = ({ input, terminal }: CommandContext, http: CloudHttp, deviceId: string) =>
  Effect.gen(function* () {
    const given = input.secret("one-time-password")
    if (given !== undefined) return { user: deviceId, password: given } satisfies Login
    const made = randomBytes(24).toString("base64url")
    const query = new URLSearchParams({ externalId: deviceId, "one-time-password": made })
    yield* terminal.line("Register the device in the cloud with:")
    yield* terminal.line(`    device id: ${deviceId}`)
    yield* terminal.line(`    one-time password: ${made}`)
    yield* terminal.line(`    or open: ${http.origin}/apps/devicemanagement/index.html#/deviceregistration?${query}`)
    return { user: deviceId, password: Redacted.make(made) } satisfies Login
  })

const enrolPatiently = (
  context: CommandContext,
  http: CloudHttp,
  request: string,
  login: Login,
  { everyMs, limitMs }: Patience
) =>
  Effect.gen(function* () {
    const until = (yield* Clock.currentTimeMillis) + limitMs
    const attempt: typeof once = (...wanted) =>
      once(...wanted).pipe(
        Effect.catchIf(heals, (failure) =>
          Effect.gen(function* () {
            if ((yield* Clock.currentTimeMillis) + everyMs > until)
              return yield* new EnrolmentTimedOut({ url: http.origin, afterMs: limitMs })
            yield* context.terminal.failure(failure)
            yield* context.terminal.line(`Will retry in ${Math.round(everyMs / 1000)} seconds`)
            yield* Effect.sleep(Duration.millis(everyMs))
            return yield* attempt(...wanted)
          })
        )
      )
    return yield* attempt(http, request, login)
  })

const once = (
  http: CloudHttp,
  request: string,
  login: Login
): Effect.Effect<ReadonlyArray<string>, HttpRefused | HttpUnreachable | EnrolmentGarbled | EnrolmentTimedOut> =>
  enrol(http, request, login)

/** Not registered yet (401, 403, 404), too busy, or out of reach: waiting may help. Anything else stays as it is. */
const heals = (failure: {
  readonly _tag: string
  readonly status?: number
}): failure is HttpRefused | HttpUnreachable =>
  failure._tag === "HttpUnreachable" ||
  (failure._tag === "HttpRefused" &&
    ([401, 403, 404, 408, 429].includes(failure.status ?? 0) || (failure.status ?? 0) >= 500))

interface Patience {
  readonly everyMs: number
  readonly limitMs: number
}

/** Checked before anything is made or sent. */
const patience = (context: CommandContext): Effect.Effect<Patience, DurationInvalid> =>
  Effect.all({ everyMs: milliseconds(context, "retry-every"), limitMs: milliseconds(context, "max-timeout") })

const milliseconds = ({ input }: CommandContext, option: string): Effect.Effect<number, DurationInvalid> => {
  const text = input.text(option) ?? ""
  const ms = durationMs(text)
  return ms === undefined ? Effect.fail(new DurationInvalid({ option: `--${option}`, text })) : Effect.succeed(ms)
}
