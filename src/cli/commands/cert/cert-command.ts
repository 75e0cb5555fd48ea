/** Shared by the certificate commands: settings, key, subject. */
import { existsSync } from "node:fs"
import { Effect, Redacted } from "effect"
import { CommonNameInvalid, SameFile } from "../../../messages/certificate.ts"
import { neededId } from "../../../messages/config.ts"
import { durationMs } from "../../../messages/settings/duration.ts"
import type { CloudSettings, DeviceSettings, Settings } from "../../../messages/settings/resolved-settings.ts"
import type { Subject, Unsigned } from "../../../platform/tls/x509.ts"
import { touchHint, whileWaiting } from "../../terminal/progress.ts"
import { askLimits, type CommandContext } from "../hsm/token-command.ts"
import { isSameFile, readCertificate, writeText } from "./certificate-files.ts"
import { type DeviceKey, fileKey, newFileKey, tokenKey } from "./device-key.ts"

export interface CertSettings {
  readonly settings: Settings
  readonly device: DeviceSettings
  /** Setting prefix: `device.`, or that of a cloud, `c8y.device.`. */
  readonly prefix: string
  readonly usesToken: boolean
}

/** The settings of the named cloud, or without a cloud. */
export const readCertSettings = ({ actors, input }: CommandContext) =>
  Effect.gen(function* () {
    const within = { within: askLimits.read }
    if (input.cloud === undefined) {
      const { settings } = yield* actors.config.ask("ReadSettings", undefined, within)
      return certSettings(settings, settings.device, "device.")
    }
    const { settings } = yield* actors.config.ask("ReadCloudSettings", input.cloud, within)
    return certSettingsOf(settings)
  })

/** For `cert show` and `cert remove`: read one by one, so that an invalid other setting does not block them. */
export const readCertificatePlace = ({ actors, input }: CommandContext) =>
  Effect.gen(function* () {
    const { cloud, profile } = input.cloud ?? { cloud: undefined, profile: undefined }
    const read = (key: string, of?: string | null) =>
      Effect.map(
        actors.config.ask("Get", { key, profile: of ?? undefined }, { within: askLimits.read }),
        ({ value }) => (value === undefined ? "" : Redacted.value(value))
      )
    const prefix = cloud === undefined ? "" : `${cloud}.`
    return {
      certPath: yield* read(`${prefix}device.cert_path`, profile),
      keyPath: yield* read(`${prefix}device.key_path`, profile),
      usesToken: (yield* read("device.cryptoki.mode")) !== "off",
      minimumValidityMs: durationMs(yield* read("certificate.validity.minimum_duration")) ?? 0
    }
  })

/** For commands of a single cloud. */
export const certSettingsOf = (settings: CloudSettings): CertSettings =>
  certSettings(settings, settings.cloud.device, `${settings.cloud.prefix}.device.`)

const certSettings = (settings: Settings, device: DeviceSettings, prefix: string): CertSettings => ({
  settings,
  device,
  prefix,
  usesToken: settings.cryptoki.mode !== "off"
})

/** The subject: `--device-id`, else the device id of the settings. */
export const subjectFor = ({ input }: CommandContext, { settings, device, prefix }: CertSettings) =>
  Effect.gen(function* () {
    // An empty value was meant as an id: it must not fall back to the settings.
    const given = input.text("device-id") ?? (input.given("device-id") ? "" : undefined)
    const commonName = yield* checkedName(given ?? (yield* neededId(`${prefix}id`, device)))
    return subjectNamed(commonName, settings)
  })

export const subjectNamed = (commonName: string, { certificate }: Settings): Subject => ({
  commonName,
  organization: certificate.organization,
  organizationUnit: certificate.organizationUnit
})

/** The characters that Cumulocity accepts in a device name; at most 64 bytes (RFC 5280, ub-common-name). */
export const checkedName = (name: string): Effect.Effect<string, CommonNameInvalid> => {
  if (name === "") return Effect.fail(new CommonNameInvalid({ name, reason: "empty" }))
  if (Buffer.byteLength(name) > 64) return Effect.fail(new CommonNameInvalid({ name, reason: "tooLong" }))
  return /^[A-Za-z0-9'=(),\-.?%*_!@ ]+$/.test(name)
    ? Effect.succeed(name)
    : Effect.fail(new CommonNameInvalid({ name, reason: "characters" }))
}

/** The key in the token, or the key file. */
export const presentKey = ({ actors }: CommandContext, { device, usesToken }: CertSettings) => {
  if (!usesToken) return fileKey(device.keyPath)
  // Undefined: no readable certificate.
  const certified = readCertificate(device.certPath).pipe(
    Effect.map((read) => read.device.publicKey),
    Effect.orElseSucceed(() => undefined)
  )
  return Effect.flatMap(certified, (publicKey) => tokenKey(actors.cryptoki, device.key, publicKey))
}

/** As `presentKey`, but creates a missing key file, unless the command writes another file there next. */
export const keyForRequest = (context: CommandContext, of: CertSettings, written: Written) =>
  !of.usesToken && !existsSync(of.device.keyPath)
    ? Effect.andThen(refuseSameFile(of, written), newFileKey(of.settings.configDir, of.device.keyPath))
    : presentKey(context, of)

/** The finished PEM. Signs once; a token may wait for a touch. */
export const certify = ({ terminal }: CommandContext, key: DeviceKey, unsigned: Unsigned) =>
  whileWaiting(terminal, { title: touchHint }, key.certify(unsigned))

/** An output file, and what names it: `device.cert_path`, `--output-path`. */
export interface Written {
  readonly path: string
  readonly name: string
}

/** For a command that creates a key file: its output must be another file. */
export const refuseSameFile = ({ device, prefix }: CertSettings, written: Written): Effect.Effect<void, SameFile> =>
  Effect.suspend(() =>
    isSameFile(device.keyPath, written.path)
      ? Effect.fail(new SameFile({ path: device.keyPath, names: [`${prefix}key_path`, written.name] }))
      : Effect.void
  )

export const writeCertificate = ({ settings }: CertSettings, path: string, content: string) =>
  writeText(settings.configDir, path, content)
