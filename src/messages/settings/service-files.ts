/** The files that the services read for one cloud: their user must be able to read each. The files of the token are not among them. */
import type { CloudSettings } from "./resolved-settings.ts"

export interface ServiceFile {
  /** It need not exist. */
  readonly path: string
  /** Trusted certificates may be world-readable; the services' user must not own them, since it could then replace them. */
  readonly isPublic: boolean
}

export const serviceFiles = ({
  configDir,
  configFile,
  cryptoki,
  cloud,
  mqtt
}: CloudSettings): ReadonlyArray<ServiceFile> => {
  const { caFile, caDir, certFile, keyFile, passwordFile } = mqtt.clientAuth
  const usesPassword = cloud.authMethod !== "certificate"
  const own = [
    configFile,
    cloud.file,
    `${configDir}/secrets.toml`,
    cryptoki.mode === "socket" ? `${configDir}/tedge-p11-server.toml` : undefined,
    usesPassword ? cloud.credentialsPath : undefined,
    cloud.device.certPath,
    cryptoki.mode === "off" ? cloud.device.keyPath : undefined,
    certFile,
    keyFile,
    passwordFile
  ]
  return [
    ...[...new Set(own)].filter((path) => path !== undefined).map((path) => ({ path, isPublic: false })),
    ...[cloud.rootCertPath, caFile, caDir]
      .filter((path) => path !== undefined)
      .map((path) => ({ path, isPublic: true }))
  ]
}
