/** What the certificate commands share: settings, the key, the subject. */
import type { X509Certificate } from "node:crypto"
import { existsSync } from "node:fs"
import { Effect } from "effect"
import { CommonNameInvalid } from "../../messages/certificate.ts"
import { neededId } from "../../messages/config.ts"
import type { CloudSettings, DeviceSettings, Settings } from "../../messages/settings/resolved-settings.ts"
import type { Subject } from "../../platform/x509.ts"
import { askLimits, type CommandContext } from "../hsm/token-command.ts"
import { writeText } from "./certificate-files.ts"
import { type DeviceKey, fileKey, newFileKey, tokenKey } from "./device-key.ts"

export interface CertSettings {
  readonly settings: Settings
  readonly device: DeviceSettings
  /** `device.id` or that of the cloud. */
  readonly idKey: string
  readonly usesToken: boolean
}

/** The settings of the cloud that was named, or those of no cloud. */
export const readCertSettings = ({ actors, input }: CommandContext) =>
  Effect.gen(function* () {
    const within = { within: askLimits.read }
    if (input.cloud === undefined) {
      const { settings } = yield* actors.config.ask("ReadSettings", undefined, within)
      return certSettings(settings, settings.device, "device.id")
    }
    const { settings } = yield* actors.config.ask("ReadCloudSettings", input.cloud, within)
    return certSettingsOf(settings)
  })

/** For commands that are about one cloud anyway. */
export const certSettingsOf = (settings: CloudSettings): CertSettings =>
  certSettings(settings, settings.cloud.device, `${settings.cloud.prefix}.device.id`)

const certSettings = (settings: Settings, device: DeviceSettings, idKey: string): CertSettings => ({
  settings,
  device,
  idKey,
  usesToken: settings.cryptoki.mode !== "off"
})

/** The subject: `--device-id`, else the identity of the settings. */
export const subjectFor = ({ input }: CommandContext, { settings, device, idKey }: CertSettings) =>
  Effect.gen(function* () {
    const commonName = yield* checkedName(input.text("device-id") ?? (yield* neededId(idKey, device)))
    return subjectNamed(commonName, settings)
  })

export const subjectNamed = (commonName: string, { certificate }: Settings): Subject => ({
  commonName,
  organization: certificate.organization,
  organizationUnit: certificate.organizationUnit
})

/** The characters Cumulocity accepts in a device's name; at most 64 bytes (RFC 5280, ub-common-name). */
export const checkedName = (name: string): Effect.Effect<string, CommonNameInvalid> => {
  if (name === "") return Effect.fail(new CommonNameInvalid({ name, reason: "empty" }))
  if (Buffer.byteLength(name) > 64) return Effect.fail(new CommonNameInvalid({ name, reason: "tooLong" }))
  return /^[A-Za-z0-9'=(),\-.?%*_!@ ]+$/.test(name)
    ? Effect.succeed(name)
    : Effect.fail(new CommonNameInvalid({ name, reason: "characters" }))
}

/** The key in the token, or the key file. */
export const presentKey = ({ actors }: CommandContext, { device, usesToken }: CertSettings) =>
  usesToken ? tokenKey(actors.cryptoki, device.key) : fileKey(device.keyPath)

/** As `presentKey`; a key file that is missing is made. */
export const keyForRequest = (context: CommandContext, of: CertSettings) =>
  !of.usesToken && !existsSync(of.device.keyPath)
    ? newFileKey(of.settings.configDir, of.device.keyPath)
    : presentKey(context, of)

/** Whether the certificate is for the key. */
export const belongsTo = (certificate: X509Certificate, key: DeviceKey): boolean =>
  Buffer.compare(certificate.publicKey.export({ type: "spki", format: "der" }), Buffer.from(key.publicKey)) === 0

export const writeCertificate = ({ settings }: CertSettings, path: string, content: string) =>
  writeText(settings.configDir, path, content)
