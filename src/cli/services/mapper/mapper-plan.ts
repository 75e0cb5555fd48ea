/**
 * The parts of a mapper, from its settings: two links of the bridge, a link of the service, rules, health.
 *
 * Source: thin-edge, built-in bridge ("Connections") and mapper process (names, wills, topics).
 */
import { Effect } from "effect"
import type { BridgeOptions } from "../../../actors/bridge/bridge-actor.ts"
import { limitsOf } from "../../../actors/bridge/cloud-limits.ts"
import {
  filtersOf,
  matchesFilter,
  neededForAws,
  neededForAzure,
  neededForCumulocity,
  rulesForAws,
  rulesForAzure,
  rulesForCumulocity,
  targetTopic
} from "../../../actors/bridge/rules.ts"
import type { Auth } from "../../../actors/connect/cloud-connection.ts"
import { clouds } from "../../../actors/connect/clouds.ts"
import { cloudDeviceId } from "../../../actors/connect/device-id.ts"
import { cloudTarget, localTarget } from "../../../actors/connect/targets.ts"
import { chooseAuth, mqttServicePort } from "../../../actors/connect/validate.ts"
import type { HealthOptions } from "../../../actors/health/health-actor.ts"
import {
  bridgeHealth,
  mosquittoHealth,
  type ServiceIdentity,
  serviceDown,
  settingsDocument
} from "../../../actors/health/payloads.ts"
import type { PendingOperations } from "../../../actors/health/pending-operations.ts"
import type { BackOffSettings } from "../../../actors/mqtt/link/back-off.ts"
import type { WindowBounds } from "../../../actors/mqtt/link/inbound-window.ts"
import type { LinkOptions } from "../../../actors/mqtt/link/link.ts"
import type { BridgeRule } from "../../../messages/bridge.ts"
import { neededSetting, type SettingMissing } from "../../../messages/config.ts"
import { type ConnectRefusal, MosquittoBridgeRequested } from "../../../messages/connect.ts"
import {
  type BridgeService,
  bridgeService,
  instanceName,
  type NamedService
} from "../../../messages/installation/bridge-service.ts"
import type { CredentialUnusable, MqttMessage } from "../../../messages/mqtt.ts"
import { serviceTopics } from "../../../messages/service-topics.ts"
import type { CloudSettings } from "../../../messages/settings/resolved-settings.ts"
import { type CloudPresence, cloudPresence } from "./cloud-presence.ts"

export interface MapperPlan {
  readonly localLink: LinkOptions
  readonly cloudLink: LinkOptions
  readonly serviceLink: LinkOptions
  readonly bridge: BridgeOptions
  readonly health: HealthOptions
}

export const planMapper = (settings: CloudSettings): Effect.Effect<MapperPlan, ConnectRefusal> =>
  Effect.gen(function* () {
    const { cloud } = settings
    if (!settings.bridge.builtIn)
      return yield* new MosquittoBridgeRequested({ cloud: cloud.name, profile: cloud.profile })
    const auth = yield* chooseAuth(settings)
    const deviceId = yield* cloudDeviceId(settings)
    const own = bridgeService(settings)
    const identity = own.mapper.is === "ours" ? serviceIdentity(settings, own.mapper) : undefined
    const rules = rulesOf(settings, auth, deviceId)
    const presence = cloudPresence(settings, deviceId, own)
    const pendingOperations = planPendingOperations(settings, presence)
    return {
      localLink: yield* planLocalLink(settings, own, deviceId, rules),
      cloudLink: yield* planCloudLink(settings, auth, deviceId, rules, presence),
      serviceLink: yield* planServiceLink(settings, own, identity, pendingOperations),
      bridge: {
        rules,
        maxPayloadSize: cloud.maxPayloadSize,
        maxPayloadSetting: `${cloud.prefix}.mapper.mqtt.max_payload_size`,
        check: cloudQuestion(settings, auth, rules),
        limits: limitsOf(cloud.name)
      },
      health: {
        service: identity,
        bridge: own.bridge.topics,
        settings: identity && settingsDocument(identity.topics, cloud.exposed),
        pendingOperations
      }
    }
  })

const serviceIdentity = ({ mqtt, service }: CloudSettings, { name, topics }: NamedService): ServiceIdentity => ({
  name,
  topics,
  deviceTopicId: mqtt.deviceTopicId,
  type: service.type,
  pid: process.pid,
  timestampFormat: service.timestampFormat
})

const rulesOf = ({ cloud }: CloudSettings, auth: Auth, deviceId: string): ReadonlyArray<BridgeRule> => {
  switch (cloud.name) {
    case "c8y":
      return rulesForCumulocity({ ...cloud, authenticatesBy: auth.kind === "basic" ? "password" : "certificate" })
    case "aws":
      return rulesForAws(cloud.topicPrefix, deviceId)
    case "az":
      return rulesForAzure(cloud.topicPrefix, deviceId)
  }
}

const neededFilters = ({ cloud }: CloudSettings, deviceId: string): ReadonlyArray<string> => {
  switch (cloud.name) {
    case "c8y":
      return neededForCumulocity(cloud.topicPrefix)
    case "aws":
      return neededForAws(cloud.topicPrefix, deviceId)
    case "az":
      return neededForAzure(cloud.topicPrefix, deviceId)
  }
}

/** The topic of the connection check, as mapped by the bridge's rules. */
const cloudQuestion = (
  { cloud }: CloudSettings,
  auth: Auth,
  rules: ReadonlyArray<BridgeRule>
): BridgeOptions["check"] => {
  const { ask, listen, judge } = clouds[cloud.name].question(auth.kind)
  const answers = `${cloud.topicPrefix}/${listen}`
  return {
    question: (id) => {
      const { topic, payload, qos } = ask(id)
      const remote = targetTopic(rules, "outbound", `${cloud.topicPrefix}/${topic}`) ?? topic
      return { topic: remote, payload: Buffer.from(payload), qos, retain: false }
    },
    judge: (message, id) => (matchesFilter(answers, message.topic) ? judge(message, id) : "other")
  }
}

/** thin-edge's own services for this cloud; if one runs, pending operations are not requested. */
const planPendingOperations = (
  { cloud, mqtt }: CloudSettings,
  { pendingOperations: request }: CloudPresence
): PendingOperations | undefined => {
  if (request === undefined) return undefined
  const mappers = [...new Set([cloud.topicPrefix, instanceName(cloud.name, cloud.profile)])].map((name) =>
    serviceTopics(mqtt, `tedge-mapper-${name}`)
  )
  return {
    request,
    checks: mappers.flatMap(({ healthChecks }) => healthChecks.slice(0, 1)),
    mapperHealth: mappers.map(({ health }) => health),
    mosquittoHealth: serviceTopics(mqtt, `mosquitto-${cloud.topicPrefix}-bridge`).health
  }
}

/** thin-edge.io's mapper starts with the retained message of the bridge's link; a connection has one will. */
const localHealth = ({
  mapper,
  bridge
}: BridgeService): { readonly up: ReadonlyArray<MqttMessage>; readonly down: MqttMessage } =>
  mapper.is === "ours"
    ? { up: [], down: bridgeHealth(bridge.topics, "down") }
    : { up: [mosquittoHealth(mapper.mosquitto.topics, "up")], down: mosquittoHealth(mapper.mosquitto.topics, "down") }

const planLocalLink = (
  settings: CloudSettings,
  own: BridgeService,
  deviceId: string,
  rules: ReadonlyArray<BridgeRule>
): Effect.Effect<LinkOptions, CredentialUnusable> =>
  Effect.map(localTarget(settings, { clientId: own.clientIds.bridge, connectWithinMs: localWithinMs }), (target) => ({
    side: "local",
    // The broker queues messages while the bridge is down, and sends as many at once as may be in flight to the cloud.
    target: {
      ...target,
      keepalive: localKeepalive(settings),
      cleanSession: false,
      will: localHealth(own).down,
      receiveMaximum: windowOf(settings.cloud.name),
      // Above the cloud's limit, so that the bridge can name the message that is too large; 128 KiB for topic and header.
      maximumPacketSize: Math.max(settings.cloud.maxPayloadSize, 1024 * 1024) + 128 * 1024
    },
    filters: filtersOf(rules, "outbound"),
    neededFilters: neededFilters(settings, deviceId),
    backOff: localBackOff(settings),
    onConnect: localHealth(own).up,
    onDisconnect: [localHealth(own).down],
    log: bridgeLogNames,
    bounds: { ...bounds, window: windowOf(settings.cloud.name) }
  }))

const planServiceLink = (
  settings: CloudSettings,
  own: BridgeService,
  identity: ServiceIdentity | undefined,
  pendingOperations: PendingOperations | undefined
): Effect.Effect<LinkOptions, CredentialUnusable> => {
  const down = identity === undefined ? bridgeHealth(own.bridge.topics, "down") : serviceDown(identity)
  return Effect.map(
    localTarget(settings, { clientId: own.clientIds.service, connectWithinMs: localWithinMs }),
    (target) => ({
      side: "local",
      // With MQTT 5 the broker discards messages that are too large.
      target: {
        ...target,
        keepalive: localKeepalive(settings),
        will: down,
        receiveMaximum: bounds.window
      },
      filters: [
        ...(identity ? [...identity.topics.healthChecks, identity.topics.config] : []),
        ...(pendingOperations ? [...pendingOperations.mapperHealth, pendingOperations.mosquittoHealth] : [])
      ],
      neededFilters: [],
      backOff: localBackOff(settings),
      onConnect: [],
      onDisconnect: [down],
      log: { target: identity ? "tedge-mapper" : "tedge-hsm-bridge", name: "service health", isSecond: true },
      bounds
    })
  )
}

const planCloudLink = (
  settings: CloudSettings,
  auth: Auth,
  deviceId: string,
  rules: ReadonlyArray<BridgeRule>,
  presence: CloudPresence
): Effect.Effect<LinkOptions, SettingMissing> =>
  Effect.gen(function* () {
    const { cloud } = settings
    const configured = yield* neededSetting(`${cloud.prefix}.url`, cloud.mqtt)
    const target = cloudTarget({ settings, deviceId, host: mqttServicePort(settings, configured), auth })
    return {
      side: "cloud",
      target: {
        ...target,
        keepalive: cloud.keepaliveSeconds,
        publishRate: cloud.publishRate,
        cleanSession: cloud.name === "c8y",
        ...(target.tls && settings.bridge.tlsResumption && { tls: { ...target.tls, resumesSessions: true } }),
        ...presence.login,
        ...(presence.will === undefined ? {} : { will: presence.will })
      },
      filters: filtersOf(rules, "inbound"),
      neededFilters: neededFilters(settings, deviceId),
      backOff: backOff(settings),
      onConnect: presence.onConnect,
      onDisconnect: presence.will === undefined ? [] : [presence.will],
      log: bridgeLogNames,
      bounds: { ...bounds, window: windowOf(cloud.name) }
    }
  })

const backOff = ({ bridge }: CloudSettings): BackOffSettings => ({
  initialMs: bridge.initialIntervalMs,
  maximumMs: bridge.maximumIntervalMs,
  resetAfterMs: bridge.resetWindowMs
})

/** The local broker restarts with every `tedge connect`; reconnecting to it is cheap. */
const localBackOff = (settings: CloudSettings): BackOffSettings => {
  const { initialMs, maximumMs, resetAfterMs } = backOff(settings)
  return { initialMs: Math.min(initialMs, 1_000), maximumMs: Math.min(maximumMs, 5_000), resetAfterMs }
}

const localKeepalive = ({ bridge, cloud }: CloudSettings): number =>
  Math.min(bridge.localKeepaliveSeconds, cloud.keepaliveSeconds)

const bridgeLogNames = { target: "MQTT bridge", name: "MQTT bridge", isSecond: false } as const

const localWithinMs = 5_000

/**
 * The number of QoS 1 messages in flight in either direction: the limit of messages per round trip.
 * AWS IoT accepts at most 100 unacknowledged publishes of a client; of Azure no limit is known.
 */
const windowOf = (cloud: CloudSettings["cloud"]["name"]): number => (cloud === "c8y" ? 2_000 : 100)

/** Brokers should not exceed the requested number of unacknowledged QoS 1 messages; some do. */
const bounds: WindowBounds = {
  window: 100,
  windowBytes: 8 * 1024 * 1024,
  waitingQos0: 1_000,
  waitingQos0Bytes: 16 * 1024 * 1024,
  waitingQos1: 10_000,
  waitingQos1Bytes: 32 * 1024 * 1024
}
