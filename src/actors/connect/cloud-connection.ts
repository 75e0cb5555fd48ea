/** The subject of a command: everything is read and validated before the first step makes a change. */
import { join } from "node:path"
import type { Redacted } from "effect"
import { bridgeService, instanceName } from "../../messages/installation/bridge-service.ts"
import type { CloudSettings, HostPort } from "../../messages/settings/resolved-settings.ts"
import type { CloudFacts } from "./clouds.ts"
import type { PendingCertificate } from "./pending-certificate.ts"
import type { ServiceManager } from "./services/service-manager.ts"

export interface CloudConnection {
  readonly cloud: CloudFacts
  readonly profile: string | undefined
  readonly settings: CloudSettings
  readonly services: ServiceManager
}

/** A connection with valid settings. */
export interface ValidConnection extends CloudConnection {
  readonly deviceId: string
  readonly host: HostPort
  readonly auth: Auth
  readonly pending: PendingCertificate
  /** Undefined: mosquitto is not installed here. */
  readonly mosquittoVersion: string | undefined
}

export type Auth =
  | { readonly kind: "certificate" }
  | {
      readonly kind: "basic"
      readonly credentialsPath: string
      readonly username: string
      readonly password: Redacted.Redacted<string>
    }

/** The service that connects to the cloud. */
export const bridgeUnit = ({ settings }: Pick<CloudConnection, "settings">): string => bridgeService(settings).unit

export const mosquittoDir = (connection: Pick<CloudConnection, "settings">): string =>
  join(connection.settings.configDir, "mosquitto-conf")

/** If it exists, every command of thin-edge considers the device connected. */
export const markerPath = (connection: CloudConnection): string =>
  join(mosquittoDir(connection), `${instanceName(connection.cloud.name, connection.profile)}-bridge.conf`)
