/** Builds the actors' records from single settings. */
import { Effect } from "effect"
import { type InvalidSetting, SettingsIncomplete } from "../../messages/config.ts"
import type { CloudProfile } from "../../messages/settings/file-layer.ts"
import { keepAliveWithin } from "../../messages/settings/refused-by-cloud.ts"
import { resolveSetting, type Sources } from "../../messages/settings/resolve.ts"
import type {
  CloudSection,
  CloudSettings,
  DeviceSettings,
  LocalBrokerSettings,
  ProxySettings,
  Settings
} from "../../messages/settings/resolved-settings.ts"
import type { CloudName, Value } from "../../messages/settings/setting.ts"
import { settingByKey } from "../../messages/settings/setting-name.ts"
import { settingsTable } from "../../messages/settings/settings-table.ts"
import { printValue } from "../../messages/settings/value.ts"
import { mapperFile } from "./cloud-files.ts"
import type { OpenConfig } from "./open-config.ts"
import { type ConfigPlace, configFile } from "./read-sources.ts"
import { type SettingReader, settingReader } from "./setting-reader.ts"

type Refusal = InvalidSetting | SettingsIncomplete

/** `bare`: pairs may be set in part. */
export const buildSettings = (
  sources: Sources,
  place: ConfigPlace,
  how: "whole" | "bare" = "whole"
): Effect.Effect<Settings, Refusal> =>
  Effect.gen(function* () {
    const read = settingReader(sources, undefined)
    const provider = yield* read.uriAndPin("device.cryptoki.uri")
    if (how === "whole") yield* pairOrNone(read, "proxy.username", "proxy.password")
    return {
      installation: place.installation ?? "everything-ours",
      configDir: sources.configDir,
      configFile: configFile(place),
      device: { ...(yield* device(read, "device")), type: read.text("device.type") },
      cryptoki: {
        mode: oneOf(read.text("device.cryptoki.mode"), "off", "module", "socket"),
        modulePath: read.optionalText("device.cryptoki.module_path"),
        pin: provider.pin,
        pinSource: provider.pinSource,
        uri: provider.uri,
        socketPath: read.text("device.cryptoki.socket_path")
      },
      mqtt: localBroker(read),
      bridge: {
        builtIn: read.flag("mqtt.bridge.built_in"),
        initialIntervalMs: read.durationMs("mqtt.bridge.reconnect_policy.initial_interval"),
        maximumIntervalMs: read.durationMs("mqtt.bridge.reconnect_policy.maximum_interval"),
        resetWindowMs: read.durationMs("mqtt.bridge.reconnect_policy.reset_window"),
        localKeepaliveSeconds: Math.ceil(read.durationMs("mqtt.bridge.keepalive_interval") / 1000),
        tlsResumption: read.flag("mqtt.bridge.tls_resumption")
      },
      proxy: proxy(read),
      service: {
        type: read.text("service.type"),
        timestampFormat: oneOf(read.text("service.timestamp_format"), "unix", "rfc-3339")
      },
      certificate: {
        organization: read.text("certificate.organization"),
        organizationUnit: read.text("certificate.organization_unit"),
        requestedValidityMs: read.durationMs("certificate.validity.requested_duration"),
        minimumValidityMs: read.durationMs("certificate.validity.minimum_duration")
      },
      run: {
        path: read.text("run.path"),
        lockFiles: read.flag("run.lock_files"),
        logMemoryIntervalMs: read.durationMs("run.log_memory_interval")
      },
      logs: { path: read.text("logs.path") },
      dataPath: read.text("data.path")
    }
  })

export const buildCloudSettings = (
  { sources, clouds }: Pick<OpenConfig, "sources" | "clouds">,
  place: ConfigPlace,
  section: CloudProfile,
  how: "whole" | "bare" = "whole"
): Effect.Effect<CloudSettings, Refusal> =>
  Effect.gen(function* () {
    const settings = yield* buildSettings(sources, place, how)
    const file =
      clouds[section.cloud].layout === "tedge.toml" ? settings.configFile : mapperFile(settings.configDir, section)
    const cloud = yield* cloudSection(settingReader(sources, section.profile), section, file)
    return { ...settings, cloud: { ...cloud, exposed: exposedSettings(sources, section) } }
  })

const cloudSection = (
  read: SettingReader,
  { cloud: name, profile }: CloudProfile,
  file: string
): Effect.Effect<Omit<CloudSection, "exposed">, Refusal> =>
  Effect.gen(function* () {
    const isC8y = name === "c8y"
    const url = read.optionalText(`${name}.url`)
    return {
      name,
      profile,
      prefix: profile === undefined ? name : `${name}.profiles.${profile}`,
      file,
      url,
      mqtt: isC8y ? read.hostPort("c8y.mqtt") : url === undefined ? undefined : { host: bare(url), port: 8883 },
      http: isC8y ? read.hostPort("c8y.http") : undefined,
      rootCertPath: read.text(`${name}.root_cert_path`),
      authMethod: isC8y ? oneOf(read.text("c8y.auth_method"), "certificate", "basic", "auto") : "certificate",
      credentialsPath: isC8y ? read.text("c8y.credentials_path") : undefined,
      device: yield* device(read, `${name}.device`),
      topics: read.list(`${name}.topics`),
      topicPrefix: read.text(`${name}.bridge.topic_prefix`),
      keepaliveSeconds: keepAlive(read, name),
      maxPayloadSize: read.number(`${name}.mapper.mqtt.max_payload_size`),
      publishRate: isC8y ? 0 : read.number(`${name}.bridge.publish_rate`),
      smartrestTemplates: isC8y ? read.list("c8y.smartrest.templates") : [],
      smartrest1Templates: isC8y ? read.list("c8y.smartrest1.templates") : [],
      mqttService: {
        enabled: isC8y && read.flag("c8y.mqtt_service.enabled"),
        topics: isC8y ? read.list("c8y.mqtt_service.topics") : []
      },
      asksForOperations: isC8y && read.flag("c8y.bridge.ask_for_operations"),
      httpProxyPort: isC8y ? read.number("c8y.proxy.bind.port") : undefined
    }
  })

/** A file may contain a value that the cloud does not accept: then the nearest that it accepts. */
const keepAlive = (read: SettingReader, name: CloudName): number => {
  const key = `${name}.bridge.keepalive_interval`
  const seconds = Math.ceil(read.durationMs(key) / 1000)
  const type = settingByKey(key)?.type
  return type?.kind === "keep-alive" && type.cloud !== undefined ? keepAliveWithin(type.cloud, seconds) : seconds
}

/** `section`: `device`, or that of a cloud. */
const device = (read: SettingReader, section: string): Effect.Effect<DeviceSettings, InvalidSetting> =>
  Effect.gen(function* () {
    const { uri, pin, pinFrom } = yield* read.uriAndPin(`${section}.key_uri`)
    return {
      ...read.identity(`${section}.id`),
      keyPath: read.text(`${section}.key_path`),
      certPath: read.text(`${section}.cert_path`),
      csrPath: read.text(`${section}.csr_path`),
      key: { ...(uri && { uri }), ...(pin && { pin, pinFrom }) }
    }
  })

const localBroker = (read: SettingReader): LocalBrokerSettings => ({
  clientHost: bare(read.text("mqtt.client.host")),
  clientPort: read.number("mqtt.client.port"),
  clientAuth: {
    caFile: read.optionalText("mqtt.client.auth.ca_file"),
    caDir: read.optionalText("mqtt.client.auth.ca_dir"),
    certFile: read.optionalText("mqtt.client.auth.cert_file"),
    keyFile: read.optionalText("mqtt.client.auth.key_file"),
    username: read.optionalText("mqtt.client.auth.username"),
    passwordFile: read.optionalText("mqtt.client.auth.password_file")
  },
  bindEnabled: read.flag("mqtt.bind.enabled"),
  bindAddress: read.text("mqtt.bind.address"),
  bindPort: read.number("mqtt.bind.port"),
  external: {
    bindPort: read.optionalNumber("mqtt.external.bind.port"),
    bindAddress: read.optionalText("mqtt.external.bind.address"),
    bindInterface: read.optionalText("mqtt.external.bind.interface"),
    caPath: read.optionalText("mqtt.external.ca_path"),
    certFile: read.optionalText("mqtt.external.cert_file"),
    keyFile: read.optionalText("mqtt.external.key_file")
  },
  topicRoot: read.text("mqtt.topic_root"),
  deviceTopicId: read.text("mqtt.device_topic_id")
})

const proxy = (read: SettingReader): ProxySettings | undefined => {
  const address = read.optionalText("proxy.address")
  if (address === undefined) return undefined
  const { protocol, hostname, port } = new URL(/^https?:\/\//i.test(address) ? address : `http://${address}`)
  return {
    url: `${protocol}//${hostname}:${port === "" ? (protocol === "https:" ? 443 : 80) : port}`,
    username: read.optionalText("proxy.username"),
    password: read.secret("proxy.password"),
    noProxy: read.optionalText("proxy.no_proxy")
  }
}

const pairOrNone = (read: SettingReader, ...keys: ReadonlyArray<string>): Effect.Effect<void, SettingsIncomplete> => {
  const set = keys.filter((key) => read.optionalText(key) !== undefined)
  const missing = keys.filter((key) => !set.includes(key))
  return set.length > 0 && missing.length > 0 ? Effect.fail(new SettingsIncomplete({ set, missing })) : Effect.void
}

/** The table allows only these values. */
const oneOf = <Word extends string>(text: string, ...words: ReadonlyArray<Word>): Word => {
  const found = words.find((word) => word === text)
  if (found === undefined) throw new Error(`the settings table allows "${text}", which has no type`)
  return found
}

const bare = (host: string): string => host.replace(/^\[(.*)\]$/, "$1")

/**
 * What a mapper publishes (thin-edge, config exposure): by key without the cloud, in the order of the table; with their
 * types in the file. Unset ones are omitted.
 */
const exposedSettings = (sources: Sources, { cloud, profile }: CloudProfile): Readonly<Record<string, Value>> => {
  const own = settingsTable.filter(({ key, exposed }) => exposed === true && key.startsWith(`${cloud}.`))
  return Object.fromEntries(
    own.flatMap((setting) => {
      const resolved = resolveSetting({ setting, profile }, sources)
      if (resolved.kind === "unset") return []
      const value = setting.type.kind === "host-port" ? printValue(setting.type, resolved.value) : resolved.value
      return [[setting.key.slice(cloud.length + 1), value]]
    })
  )
}
