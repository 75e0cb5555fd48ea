/** The payloads of health messages, for the local broker and for Cumulocity. */
import type { MqttMessage } from "../../messages/mqtt.ts"
import type { ServiceTopics } from "../../messages/service-topics.ts"

export interface ServiceIdentity {
  readonly name: string
  readonly topics: ServiceTopics
  /** `device/main//`. */
  readonly deviceTopicId: string
  /** `service.type`. */
  readonly type: string
  readonly pid: number
  readonly timestampFormat: "rfc-3339" | "unix"
}

export const registration = ({ name, topics, deviceTopicId, type }: ServiceIdentity): MqttMessage =>
  retained(topics.registration, JSON.stringify({ "@type": "service", "@parent": deviceTopicId, name, type }))

/** `now`: milliseconds since 1970. */
export const serviceUp = ({ topics, pid, timestampFormat }: ServiceIdentity, now: number): MqttMessage => {
  const time = timestampFormat === "unix" ? now / 1000 : new Date(now).toISOString()
  return retained(topics.health, JSON.stringify({ status: "up", pid, time }))
}

export const serviceDown = ({ topics, pid }: ServiceIdentity): MqttMessage =>
  retained(topics.health, JSON.stringify({ status: "down", pid }))

/** thin-edge, config exposure: one JSON document of a service's settings. */
export const settingsDocument = ({ config }: ServiceTopics, settings: Readonly<Record<string, unknown>>): MqttMessage =>
  retained(config, JSON.stringify(settings))

/** Nothing but the status: `tedge connect` of thin-edge searches for `"up"` anywhere in it. */
export const bridgeHealth = ({ health }: ServiceTopics, status: "up" | "down"): MqttMessage =>
  retained(health, JSON.stringify({ status }))

/** As mosquitto publishes it for its own bridge. */
export const mosquittoHealth = ({ health }: ServiceTopics, status: "up" | "down"): MqttMessage =>
  retained(health, status === "up" ? "1" : "0")

/** Empty if there is nothing to publish: that deletes the retained message. */
export const bridgeReason = ({ reason }: ServiceTopics, text: string): MqttMessage => retained(reason, text)

/** `2026-11-29T20:15:03Z`, from milliseconds since 1970. */
export const dateText = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+/, "")

interface CloudService {
  readonly name: string
  readonly type: string
  /** Cumulocity's name for it. */
  readonly externalId: string
}

/** `dev01:device:main:service:tedge-mapper-c8y`: thin-edge's external ids of entities in Cumulocity. */
export const externalId = (deviceId: string, { topicId }: ServiceTopics): string =>
  [deviceId, ...topicId.split("/").filter((part) => part !== "")].join(":")

/** SmartREST 2.0, template 102: registers the service, or changes its status. */
export const cloudStatus = ({ externalId: id, type, name }: CloudService, status: "up" | "down"): string =>
  ["102", id, type, name, status].map(field).join(",")

export const toCumulocity = (lines: ReadonlyArray<string>): MqttMessage => ({
  topic: "s/us",
  payload: new TextEncoder().encode(lines.join("\n")),
  qos: 1,
  retain: false
})

const retained = (topic: string, text: string): MqttMessage => ({
  topic,
  payload: new TextEncoder().encode(text),
  qos: 1,
  retain: true
})

/** SmartREST 2.0, "Escaping": quoted where it must be, a quote is doubled. */
const field = (text: string): string => (/[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
