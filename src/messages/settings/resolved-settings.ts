/**
 * The settings as the actors use them: parsed, layered, fallbacks applied.
 *
 * `undefined`: not set. A caller that needs it refuses with SettingMissing (`neededSetting`).
 */
import type { Redacted } from "effect"
import type { KeySelector } from "../cryptoki.ts"
import type { Installation } from "../installation/installation.ts"
import type { Pkcs11Uri } from "../pkcs11-uri.ts"
import type { ValueSource } from "./refused-value.ts"
import type { CloudName, Value } from "./setting.ts"

export interface Settings {
  readonly installation: Installation["kind"]
  /** `--config-dir`, TEDGE_CONFIG_DIR or `/etc/tedge`. Absolute. */
  readonly configDir: string
  /** tedge.toml in it. */
  readonly configFile: string
  readonly device: DeviceSettings & { readonly type: string }
  readonly cryptoki: CryptokiSettings
  readonly mqtt: LocalBrokerSettings
  readonly bridge: {
    readonly builtIn: boolean
    readonly initialIntervalMs: number
    readonly maximumIntervalMs: number
    readonly resetWindowMs: number
    /** Of connections to the local broker. */
    readonly localKeepaliveSeconds: number
    /** For the TLS session with the cloud, by the mapper's own reconnections. */
    readonly tlsResumption: boolean
  }
  readonly proxy: ProxySettings | undefined
  readonly service: { readonly type: string; readonly timestampFormat: "rfc-3339" | "unix" }
  readonly certificate: {
    readonly organization: string
    readonly organizationUnit: string
    readonly requestedValidityMs: number
    readonly minimumValidityMs: number
  }
  /** `logMemoryIntervalMs` 0: never. */
  readonly run: { readonly path: string; readonly lockFiles: boolean; readonly logMemoryIntervalMs: number }
  readonly logs: { readonly path: string }
  /** `data.path`. */
  readonly dataPath: string
}

/** The settings together with those of one cloud, or of one profile of it. */
export interface CloudSettings extends Settings {
  readonly cloud: CloudSection
}

export interface DeviceSettings {
  /** Undefined: no certificate and no value; `idProblem` says why. */
  readonly id: string | undefined
  readonly idProblem: IdProblem | undefined
  readonly keyPath: string
  readonly certPath: string
  readonly csrPath: string
  /** key_uri and key_pin, by default those of the device. */
  readonly key: KeySelector
}

/** Why the certificate has no name. */
export interface IdProblem {
  readonly certPath: string
  readonly reason: "missing" | "unreadable" | "malformed" | "ambiguous" | "no-common-name" | "control-character"
  /** `EACCES` and the like, the certificate parser's message, or the character (`U+000A`). */
  readonly detail: string
}

/** Source of a PIN; `isInUri`: part of the URI of the token or key. */
export interface PinSource {
  readonly kind: ValueSource["kind"]
  readonly isInUri: boolean
}

export interface CryptokiSettings {
  readonly mode: "off" | "module" | "socket"
  readonly modulePath: string | undefined
  /** There is no default PIN. */
  readonly pin: Redacted.Redacted<string> | undefined
  readonly pinSource?: PinSource | undefined
  /** Narrows every key URI. Without a PIN, like key URIs. */
  readonly uri: Pkcs11Uri | undefined
  readonly socketPath: string
}

export interface CloudSection {
  readonly name: CloudName
  /** Undefined: the section without profile. */
  readonly profile: string | undefined
  /** Prefix of the section's settings: `c8y`, `c8y.profiles.prod`. */
  readonly prefix: string
  /** The file that contains them, or would: its mapper.toml, or tedge.toml. */
  readonly file: string
  readonly url: string | undefined
  readonly mqtt: HostPort | undefined
  /** c8y only. */
  readonly http: HostPort | undefined
  readonly rootCertPath: string
  /** `auto` is basic if there is a credentials file. az and aws: always the certificate. */
  readonly authMethod: "certificate" | "basic" | "auto"
  /** c8y only. */
  readonly credentialsPath: string | undefined
  /** With fallbacks to `device.*`. */
  readonly device: DeviceSettings
  readonly topics: ReadonlyArray<string>
  readonly topicPrefix: string
  readonly keepaliveSeconds: number
  /** Bytes. */
  readonly maxPayloadSize: number
  /** Maximum number of messages per second to the cloud; 0: unlimited. */
  readonly publishRate: number
  /** SmartREST 2.0 and 1.0 template ids; c8y only, else empty. */
  readonly smartrestTemplates: ReadonlyArray<string>
  readonly smartrest1Templates: ReadonlyArray<string>
  /** The MQTT Service of Cumulocity; c8y only. */
  readonly mqttService: { readonly enabled: boolean; readonly topics: ReadonlyArray<string> }
  /** Whether the mapper requests pending operations after each connection, if no other mapper does; c8y only. */
  readonly asksForOperations: boolean
  /** Port of thin-edge's proxy of the Cumulocity HTTP API: profiles must not share it. c8y only. */
  readonly httpProxyPort: number | undefined
  /** Settings published by the mapper, by key without the section (`bridge.topic_prefix`). No secrets. */
  readonly exposed: Readonly<Record<string, Value>>
}

export interface HostPort {
  /** IPv6 addresses without brackets. */
  readonly host: string
  readonly port: number
}

export interface LocalBrokerSettings {
  readonly clientHost: string
  readonly clientPort: number
  readonly clientAuth: {
    readonly caFile: string | undefined
    readonly caDir: string | undefined
    readonly certFile: string | undefined
    readonly keyFile: string | undefined
    readonly username: string | undefined
    readonly passwordFile: string | undefined
  }
  readonly bindEnabled: boolean
  readonly bindAddress: string
  readonly bindPort: number
  readonly external: {
    readonly bindPort: number | undefined
    readonly bindAddress: string | undefined
    readonly bindInterface: string | undefined
    readonly caPath: string | undefined
    readonly certFile: string | undefined
    readonly keyFile: string | undefined
  }
  readonly topicRoot: string
  readonly deviceTopicId: string
}

export interface ProxySettings {
  /** Scheme, host and port: `http://proxy.example:3128`. */
  readonly url: string
  readonly username: string | undefined
  readonly password: Redacted.Redacted<string> | undefined
  /** Hosts reached directly, comma separated; HTTP only. */
  readonly noProxy: string | undefined
}
