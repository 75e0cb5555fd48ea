/**
 * Which service forwards the messages of a cloud, and everything that is named after it: unit, lock, socket, client ids,
 * topics. Made here only.
 *
 * Everything ours: `tedge-mapper-c8y`, as thin-edge.io's mapper, whose place it takes. Beside thin-edge.io:
 * `tedge-bridge-c8y`; the mapper is theirs, and learns from the topic of a mosquitto bridge that its messages are forwarded.
 */
import { type ServiceTopics, serviceTopics } from "../service-topics.ts"
import type { CloudSettings } from "../settings/resolved-settings.ts"
import type { Installation } from "./installation.ts"

export interface NamedService {
  readonly name: string
  readonly topics: ServiceTopics
}

export interface BridgeService {
  /** Its unit; lock, socket and log are named so as well: `tedge-mapper-c8y@prod`. */
  readonly unit: string
  /** At the local broker. The bridge's session there outlives a change between thin-edge.io's built-in bridge and ours. */
  readonly clientIds: { readonly bridge: string; readonly service: string }
  /** Up while both halves of the bridge are connected; `tedge connect` of thin-edge.io looks there as well. */
  readonly bridge: NamedService
  readonly mapper: OurMapper | ThinEdgeMapper
}

/** We are the mapper: we register it, and answer its health checks. */
interface OurMapper extends NamedService {
  readonly is: "ours"
}

/** It runs with `bridgeVariable` false, and starts its work with a message on the health topic of `mosquitto`. */
export interface ThinEdgeMapper {
  readonly is: "thin-edge"
  readonly unit: string
  readonly mosquitto: NamedService
}

/** In the environment of thin-edge.io's mapper: `false`, and it leaves the cloud to another bridge. */
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

/** The unit alone, for what has no settings yet. */
export const bridgeUnitName = (
  installation: Installation["kind"],
  cloud: string,
  profile: string | undefined
): string => `${installation === "everything-ours" ? "tedge-mapper" : "tedge-bridge"}-${instanceName(cloud, profile)}`

/** `c8y`, `c8y@prod`: how units, files and locks tell profiles apart. */
export const instanceName = (cloud: string, profile: string | undefined): string =>
  profile === undefined ? cloud : `${cloud}@${profile}`
