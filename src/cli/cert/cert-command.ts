/** What the certificate commands share: settings, the key, the subject, files that are replaced as a whole. */
import { X509Certificate } from "node:crypto"
import { existsSync, mkdirSync } from "node:fs"
import { dirname } from "node:path"
import { Effect } from "effect"
import { fileOwner } from "../../actors/config/file-owner.ts"
import { readCertificateChain } from "../../actors/mqtt/credentials.ts"
import { CommonNameInvalid } from "../../messages/certificate.ts"
import { neededId } from "../../messages/config.ts"
import { FileNotWritten } from "../../messages/connect.ts"
import { CredentialUnusable } from "../../messages/mqtt.ts"
import type { DeviceSettings, Settings } from "../../messages/settings/resolved-settings.ts"
import { replaceFile } from "../../platform/atomic-file.ts"
import type { Subject } from "../../platform/x509.ts"
import { askLimits, type CommandContext } from "../hsm/token-command.ts"
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
    return certSettings(settings, settings.cloud.device, `${settings.cloud.prefix}.device.id`)
  })

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
    const { organization, organizationUnit } = settings.certificate
    return { commonName, organization, organizationUnit } satisfies Subject
  })

/** The characters Cumulocity accepts in a device's name; at most 64 bytes (RFC 5280, ub-common-name). */
const checkedName = (name: string): Effect.Effect<string, CommonNameInvalid> => {
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
    ? Effect.andThen(makeDirectory(of.device.keyPath), newFileKey(of.device.keyPath))
    : presentKey(context, of)

/** Whether the certificate is for the key. */
export const belongsTo = (certificatePem: string, key: DeviceKey): boolean =>
  Buffer.compare(
    new X509Certificate(certificatePem).publicKey.export({ type: "spki", format: "der" }),
    Buffer.from(key.publicKey)
  ) === 0

/** The certificates in a file, as text and with the first one parsed. */
export const readCertificate = (path: string) =>
  Effect.flatMap(readCertificateChain(path), ({ pem, certificates: [first] }) =>
    first === undefined
      ? Effect.fail(new CredentialUnusable({ path, role: "certificate", reason: "empty", detail: "" }))
      : Effect.succeed({ text: pem, first })
  )

/** Replaces the file; everybody may read it, it belongs to the user of system.toml. */
export const writeCertificate = ({ settings }: CertSettings, path: string, content: string) => {
  const owner = fileOwner(settings.configDir)
  return Effect.andThen(
    makeDirectory(path),
    replaceFile({ path, content, mode: 0o644, ...(owner.kind === "owner" && { owner }) }).pipe(
      Effect.mapError(({ code }) => new FileNotWritten({ path, code }))
    )
  )
}

/** Where a renewed certificate waits until a connection with it has succeeded. */
export const pendingPath = (certPath: string): string => `${certPath}.new`

const makeDirectory = (path: string) =>
  Effect.try({
    try: () => void mkdirSync(dirname(path), { recursive: true }),
    catch: (cause) => new FileNotWritten({ path, code: codeOf(cause) })
  })

const codeOf = (cause: unknown): string => (cause as NodeJS.ErrnoException).code ?? "unknown"
