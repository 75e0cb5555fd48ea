/**
 * The service that forwards the messages of a cloud, and all names derived from it: unit, lock, socket, client ids,
 * topics. The only place that composes them.
 *
 * Everything ours: `tedge-mapper-c8y`, like thin-edge.io's mapper, which it replaces. Beside thin-edge.io:
 * `tedge-bridge-c8y`; the mapper is theirs, and learns from the health topic of a mosquitto bridge that its messages are forwarded.
 */
import { type ServiceTopics, serviceTopics } from "../service-topics.ts"
import type { CloudSettings } from "../settings/resolved-settings.ts"
import type { Installation } from "./installation.ts"

export interface NamedService {
  readonly name: string
  readonly topics: ServiceTopics
}

export interface BridgeService {
  /** Its unit, which also names lock, socket and log: `tedge-mapper-c8y@prod`. */
  readonly unit: string
  /** At the local broker. The same for thin-edge.io's built-in bridge and ours, so that the session survives a change. */
  readonly clientIds: { readonly bridge: string; readonly service: string }
  /** 1 while both sides of the bridge are connected; `tedge connect` of thin-edge.io reads it too. */
  readonly bridge: NamedService
  readonly mapper: OurMapper | ThinEdgeMapper
}

/** The mapper is ours: we register it, and answer its health checks. */
interface OurMapper extends NamedService {
  readonly is: "ours"
}

/** It runs with `bridgeVariable` false, and starts its work with a message on the health topic of `mosquitto`. */
export interface ThinEdgeMapper {
  readonly is: "thin-edge"
  readonly unit: string
  readonly mosquitto: NamedService
}

/** In the environment of thin-edge.io's mapper: `false` leaves the cloud to another bridge. */
export const bridgeVariable = "TEDGE_MQTT_BRIDGE_BUILT_IN"

export const bridgeService = ({ installation, cloud, mqtt }: CloudSettings): BridgeService => {
  const { name, profile, topicPrefix } = cloud
  const named = (service: string): NamedService => ({ name: service, topics: serviceTopics(mqtt, service) })
  const bridge = named(`tedge-mapper-bridge-${topicPrefix}`)
  const unit = bridgeUnitName(installation, name, profile)
  if (installation === "everything-ours") {
    const mapper = named(`tedge-mapper-${topicPrefix}`)
    const clientIds = { bridge: bridge.name, service: mapper.name }
    return { unit, clientIds, bridge, mapper: { is: "ours", ...mapper } }
  }
  const mosquitto = named(`mosquitto-${topicPrefix}-bridge`)
  const clientIds = { bridge: bridge.name, service: unit }
  return {
    unit,
    clientIds,
    bridge,
    mapper: { is: "thin-edge", unit: bridgeUnitName("everything-ours", name, profile), mosquitto }
  }
}

/** The unit alone, without settings. */
export const bridgeUnitName = (
  installation: Installation["kind"],
  cloud: string,
  profile: string | undefined
): string => `${installation === "everything-ours" ? "tedge-mapper" : "tedge-bridge"}-${instanceName(cloud, profile)}`

/** `c8y`, `c8y@prod`: the profile in names of units, files and locks. */
export const instanceName = (cloud: string, profile: string | undefined): string =>
  profile === undefined ? cloud : `${cloud}@${profile}`
