/** What a mapper publishes about itself in the cloud, and how it logs in besides its certificate. */
import { Redacted } from "effect"
import { cloudStatus, externalId, toCumulocity } from "../../../actors/health/payloads.ts"
import type { BridgeService, NamedService } from "../../../messages/installation/bridge-service.ts"
import type { MqttMessage, Target } from "../../../messages/mqtt.ts"
import type { CloudSettings } from "../../../messages/settings/resolved-settings.ts"

export interface CloudPresence {
  readonly will: MqttMessage | undefined
  /** On every connection. */
  readonly onConnect: ReadonlyArray<MqttMessage>
  /** After each connection, if no other mapper does it. */
  readonly pendingOperations: MqttMessage | undefined
  readonly login: Pick<Target, "username" | "password">
}

export const cloudPresence = (settings: CloudSettings, deviceId: string, own: BridgeService): CloudPresence => {
  switch (settings.cloud.name) {
    case "c8y":
      return cumulocityPresence(settings, deviceId, own)
    case "az": {
      const username = `${settings.cloud.mqtt?.host ?? ""}/${deviceId}/?api-version=2018-06-30`
      return { ...silent, login: { username, password: Redacted.make("") } }
    }
    case "aws":
      return silent
  }
}

const silent: CloudPresence = { will: undefined, onConnect: [], pendingOperations: undefined, login: {} }

/** Mapper and bridge are services of the device; the will marks ours as down. */
const cumulocityPresence = (
  { cloud, service }: CloudSettings,
  deviceId: string,
  { mapper, bridge }: BridgeService
): CloudPresence => {
  const line = ({ name, topics }: NamedService, status: "up" | "down") =>
    cloudStatus({ name, type: service.type, externalId: externalId(deviceId, topics) }, status)
  const ours = mapper.is === "ours" ? [mapper, bridge] : [bridge]
  return {
    will: toCumulocity(ours.toReversed().map((one) => line(one, "down"))),
    onConnect: ours.map((one) => toCumulocity([line(one, "up")])),
    // SmartREST 2.0, template 500. thin-edge.io's mapper does this itself when it learns that the bridge is up.
    pendingOperations: cloud.asksForOperations && mapper.is === "ours" ? toCumulocity(["500"]) : undefined,
    login: {}
  }
}
