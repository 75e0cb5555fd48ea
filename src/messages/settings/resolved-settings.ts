/**
 * The settings as the actors use them: parsed, layered, fallbacks applied.
 *
 * `undefined` means that nothing sets it. A caller that needs it refuses with SettingMissing (`neededSetting`).
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
  readonly bridge: BridgeSettings
  readonly proxy: ProxySettings | undefined
  readonly service: { readonly type: string; readonly timestampFormat: "rfc-3339" | "unix" }
  readonly certificate: CertificateSettings
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
  /** key_uri and key_pin, those of the device where the cloud has none. */
  readonly key: KeySelector
}

/** Why the certificate gave no name. */
export interface IdProblem {
  readonly certPath: string
  readonly reason: "missing" | "unreadable" | "malformed" | "ambiguous" | "no-common-name" | "control-character"
  /** `EACCES` and the like, what the certificate parser said, or the character (`U+000A`). */
  readonly detail: string
}

/** Where a PIN comes from; `isInUri`: the URI of the token or key has it. */
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
  /** The base that narrows every key URI. Without a PIN, as those of keys. */
  readonly uri: Pkcs11Uri | undefined
  readonly socketPath: string
}

export interface CloudSection {
  readonly name: CloudName
  /** Undefined: the section without profile. */
  readonly profile: string | undefined
  /** What the section's settings are called: `c8y`, `c8y.profiles.prod`. */
  readonly prefix: string
  /** In which file they are, or would be: its mapper.toml, or tedge.toml. */
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
  /** Fallbacks to `device.*` applied. */
  readonly device: DeviceSettings
  readonly topics: ReadonlyArray<string>
  readonly topicPrefix: string
  readonly keepaliveSeconds: number
  /** Bytes. */
  readonly maxPayloadSize: number
  /** Messages a second that are sent to the cloud at most; 0: as many as come. */
  readonly publishRate: number
  /** SmartREST 2.0 and 1.0 template ids; c8y only, else empty. */
  readonly smartrestTemplates: ReadonlyArray<string>
  readonly smartrest1Templates: ReadonlyArray<string>
  /** The MQTT Service of Cumulocity; c8y only. */
  readonly mqttService: { readonly enabled: boolean; readonly topics: ReadonlyArray<string> }
  /** Whether the mapper asks for pending operations after each connection, where no other mapper does it; c8y only. */
  readonly asksForOperations: boolean
  /** On which thin-edge's proxy of the Cumulocity HTTP API listens: profiles must not share it. c8y only. */
  readonly httpProxyPort: number | undefined
  /** What the mapper publishes of its settings, by key without the section (`bridge.topic_prefix`). No secret. */
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

interface BridgeSettings {
  readonly builtIn: boolean
  readonly initialIntervalMs: number
  readonly maximumIntervalMs: number
  readonly resetWindowMs: number
  /** Of connections to the local broker. */
  readonly localKeepaliveSeconds: number
  /** Of the TLS session with the cloud, by the mapper's own reconnections. */
  readonly tlsResumption: boolean
}

export interface ProxySettings {
  /** Scheme, host and port: `http://proxy.example:3128`. */
  readonly url: string
  readonly username: string | undefined
  readonly password: Redacted.Redacted<string> | undefined
  /** Hosts reached directly, comma separated; HTTP only. */
  readonly noProxy: string | undefined
}

interface CertificateSettings {
  readonly organization: string
  readonly organizationUnit: string
  readonly requestedValidityMs: number
  readonly minimumValidityMs: number
}
