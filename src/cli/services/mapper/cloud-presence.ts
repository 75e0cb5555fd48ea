/** What a mapper publishes about itself in the cloud, and how it logs in beyond its certificate. */
import { Redacted } from "effect"
import { cloudStatus, externalId, toCumulocity } from "../../../actors/health/payloads.ts"
import type { MqttMessage, Target } from "../../../messages/mqtt.ts"
import type { ServiceTopics } from "../../../messages/service-topics.ts"
import type { CloudSettings } from "../../../messages/settings/resolved-settings.ts"

export interface CloudPresence {
  readonly will: MqttMessage | undefined
  /** At every connection. */
  readonly onConnect: ReadonlyArray<MqttMessage>
  /** After each connection, where no other mapper does it. */
  readonly pendingOperations: MqttMessage | undefined
  readonly login: Pick<Target, "username" | "password">
}

interface Service {
  readonly name: string
  readonly topics: ServiceTopics
}

export const cloudPresence = (
  settings: CloudSettings,
  deviceId: string,
  mapper: Service,
  bridge: Service
): CloudPresence => {
  switch (settings.cloud.name) {
    case "c8y":
      return cumulocityPresence(settings, deviceId, mapper, bridge)
    case "az": {
      const username = `${settings.cloud.mqtt?.host ?? ""}/${deviceId}/?api-version=2018-06-30`
      return { ...silent, login: { username, password: Redacted.make("") } }
    }
    case "aws":
      return silent
  }
}

const silent: CloudPresence = { will: undefined, onConnect: [], pendingOperations: undefined, login: {} }

/** Mapper and bridge are services of the device; the will marks both as down. */
const cumulocityPresence = (
  { cloud, service }: CloudSettings,
  deviceId: string,
  mapper: Service,
  bridge: Service
): CloudPresence => {
  const line = ({ name, topics }: Service, status: "up" | "down") =>
    cloudStatus({ name, type: service.type, externalId: externalId(deviceId, topics) }, status)
  return {
    will: toCumulocity([line(bridge, "down"), line(mapper, "down")]),
    onConnect: [toCumulocity([line(mapper, "up")]), toCumulocity([line(bridge, "up")])],
    pendingOperations: cloud.asksForOperations ? toCumulocity([pendingOperations]) : undefined,
    login: {}
  }
}

/** SmartREST 2.0, template 500: Cumulocity hands out what waits for the device. */
const pendingOperations = "500"
