/** What a command works on: everything known and validated before the first step changes anything. */
import { join } from "node:path"
import type { Redacted } from "effect"
import { type ServiceTopics, serviceTopics } from "../../messages/service-topics.ts"
import type { CloudSettings, HostPort } from "../../messages/settings/resolved-settings.ts"
import type { CloudFacts } from "./clouds.ts"
import type { PendingCertificate } from "./pending-certificate.ts"
import type { ServiceManager } from "./services/service-manager.ts"

export interface Connection {
  readonly cloud: CloudFacts
  readonly profile: string | undefined
  readonly settings: CloudSettings
  readonly services: ServiceManager
}

/** A connection whose settings can work. */
export interface ValidConnection extends Connection {
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

/** `c8y`, `c8y@prod`: how units, files and locks tell profiles apart. */
export const instanceName = ({ cloud, profile }: Pick<Connection, "cloud" | "profile">): string =>
  profile === undefined ? cloud.name : `${cloud.name}@${profile}`

export const mapperService = (connection: Pick<Connection, "cloud" | "profile">): string =>
  `tedge-mapper-${instanceName(connection)}`

export const mosquittoDir = (connection: Pick<Connection, "settings">): string =>
  join(connection.settings.configDir, "mosquitto-conf")

/** Its being there means "connected" to every command of thin-edge. */
export const markerPath = (connection: Connection): string =>
  join(mosquittoDir(connection), `${instanceName(connection)}-bridge.conf`)

/** Health (retained `{"status":"up"}` while both halves of the bridge are connected), and why it is down. */
export const bridgeTopics = ({ settings }: Pick<Connection, "settings">): ServiceTopics =>
  serviceTopics(settings.mqtt, `tedge-mapper-bridge-${settings.cloud.topicPrefix}`)
