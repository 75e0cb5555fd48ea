/**
 * thin-edge.io's mapper beside our bridge: with TEDGE_MQTT_BRIDGE_BUILT_IN=false in its environment it maps, and leaves
 * the cloud connection to us.
 *
 * `connect` configures it with a drop-in beside its unit, `disconnect` stops it and removes the drop-in. A mapper without it
 * has its own bridge and is stopped by thin-edge.io's commands only.
 */
import { Effect, Schedule } from "effect"
import { type ConnectRefusal, DeviceStillOnline, MapperHasBridge } from "../../../messages/connect.ts"
import { bridgeService, bridgeVariable, type ThinEdgeMapper } from "../../../messages/installation/bridge-service.ts"
import { variableOf } from "../../../platform/process/recorded-process.ts"
import { type CloudConnection, markerPath } from "../cloud-connection.ts"
import { putBack, readIfPresent, removeIfPresent, writeWhole } from "../connect-files.ts"
import { carrierIn } from "../mosquitto-conf.ts"
import type { ConnectPeers } from "../peers.ts"
import { type OnFailure, step } from "../transaction.ts"
import { startAndEnable, stopAndDisable } from "./enable-services.ts"
import { serviceHolder, serviceProcess } from "./service-process.ts"

/** Undefined: the mapper is ours. */
const thinEdgeMapper = ({ settings }: CloudConnection): ThinEdgeMapper | undefined => {
  const { mapper } = bridgeService(settings)
  return mapper.is === "thin-edge" ? mapper : undefined
}

/** Before our bridge connects: a mapper with its own bridge is stopped, and has none when it starts again. */
export const handOver = (
  peers: ConnectPeers,
  connection: CloudConnection,
  onFailure: OnFailure
): Effect.Effect<void, ConnectRefusal> =>
  Effect.gen(function* () {
    const mapper = thinEdgeMapper(connection)
    if (mapper === undefined) return
    const { services, settings } = connection
    const isInstalled = peers.findExecutable("tedge-mapper") !== undefined
    const takesOver =
      isInstalled && (yield* services.isActive(mapper.unit)) && !(yield* isMappingOnly(connection, mapper))
    if (takesOver) {
      yield* onFailure(Effect.andThen(services.start(mapper.unit), services.enable(mapper.unit)))
      yield* services.stop(mapper.unit)
    }
    // Not every service manager waits for the end.
    yield* Effect.retry(refuseWhileHeld(connection, mapper), { ...looks, while: () => takesOver })
    if (!isInstalled) return yield* peers.show({ _tag: "Noted", note: { _tag: "MapperNotInstalled" } })
    const { variables } = services
    if (variables === "byHand")
      return yield* peers.show({
        _tag: "Noted",
        note: { _tag: "MapperNeedsVariable", unit: mapper.unit, manager: services.name }
      })
    if (variables === "inCommand") return
    const path = variables.path(mapper.unit)
    const before = yield* readIfPresent(path)
    const content = dropIn(bridgeService(settings).unit)
    if (before === content) return
    yield* onFailure(Effect.andThen(putBack(path, before), variables.reload))
    yield* step(
      peers.show,
      `Setting ${bridgeVariable}=false for ${mapper.unit}`,
      Effect.andThen(writeWhole(path, content), variables.reload)
    )
  })

/** After our bridge: it is restarted, to use the settings and the variable. */
export const enableThinEdgeMapper = (
  peers: ConnectPeers,
  connection: CloudConnection,
  onFailure: OnFailure
): Effect.Effect<void, ConnectRefusal> =>
  Effect.gen(function* () {
    const mapper = thinEdgeMapper(connection)
    if (mapper === undefined || peers.findExecutable("tedge-mapper") === undefined) return
    const { services } = connection
    const wasActive = yield* services.isActive(mapper.unit)
    if (!wasActive) yield* onFailure(Effect.andThen(services.stop(mapper.unit), services.disable(mapper.unit)))
    const enabled = startAndEnable(connection, mapper.unit, "restart")
    yield* step(peers.show, `Enabling ${mapper.unit}`, Effect.andThen(enabled, leavesCloudToUs(connection, mapper)))
  })

/** For `disconnect`, around the work on our bridge: afterwards the device is offline, or this fails. */
export const handingBack = (
  peers: ConnectPeers,
  connection: CloudConnection,
  ours: Effect.Effect<void, ConnectRefusal>
): Effect.Effect<void, ConnectRefusal> =>
  Effect.gen(function* () {
    const mapper = thinEdgeMapper(connection)
    if (mapper === undefined) return yield* ours
    const { services } = connection
    const isActive = yield* services.isActive(mapper.unit)
    if (!(yield* isHandedOver(connection, mapper))) {
      if (isActive && !(yield* services.isActive(bridgeService(connection.settings).unit)))
        return yield* hasBridge(connection, mapper)
      const marker = yield* readIfPresent(markerPath(connection))
      yield* ours
      if (!isActive) return yield* refuseWhileHeld(connection, mapper)
      // Without it thin-edge.io's `tedge disconnect` considers the device disconnected.
      yield* putBack(markerPath(connection), marker)
      return yield* hasBridge(connection, mapper)
    }
    yield* ours
    yield* stopAndDisable(peers, connection, mapper.unit, { isActive, wasThere: false })
    yield* takeDropInAway(connection, mapper)
    yield* refuseWhileHeld(connection, mapper)
  })

/**
 * Known from the running mapper, from the marker, and from the drop-in beside the unit: thin-edge.io's own commands rewrite or
 * remove the marker, and the variable may be set in other ways than by our drop-in.
 */
const isHandedOver = (
  connection: CloudConnection,
  mapper: ThinEdgeMapper | undefined = thinEdgeMapper(connection)
): Effect.Effect<boolean, ConnectRefusal> =>
  Effect.gen(function* () {
    if (mapper === undefined) return false
    const process = yield* serviceProcess(connection, mapper.unit)
    if (process !== undefined && isToldToMapOnly(process)) return true
    const marker = yield* readIfPresent(markerPath(connection))
    if (marker !== undefined && carrierIn(marker) !== undefined) return true
    const { variables } = connection.services
    return typeof variables === "object" && (yield* readIfPresent(variables.path(mapper.unit))) !== undefined
  })

/** Also of the running one: the variable takes effect at its start. */
const isMappingOnly = (connection: CloudConnection, mapper: ThinEdgeMapper) =>
  Effect.gen(function* () {
    const process = yield* serviceProcess(connection, mapper.unit)
    return (yield* isHandedOver(connection, mapper)) && !(process !== undefined && hasOwnBridge(process))
  })

/** thin-edge.io's own `tedge connect` finds the mapper as it was. */
const takeDropInAway = ({ services: { variables } }: CloudConnection, { unit }: ThinEdgeMapper) =>
  typeof variables === "object" ? Effect.andThen(removeIfPresent(variables.path(unit)), variables.reload) : Effect.void

/** It takes its lock once it has started; without a lock there is nothing to check. */
const leavesCloudToUs = (connection: CloudConnection, mapper: ThinEdgeMapper): Effect.Effect<void, ConnectRefusal> => {
  const look = Effect.flatMap(serviceProcess(connection, mapper.unit), (process) =>
    process === undefined ? Effect.fail("starting" as const) : Effect.succeed(process)
  )
  return Effect.matchEffect(Effect.retry(look, looks), {
    onFailure: () => Effect.void,
    onSuccess: (process) => (hasOwnBridge(process) ? hasBridge(connection, mapper, process) : Effect.void)
  })
}

const looks = { schedule: Schedule.spaced("100 millis"), times: 30 }

/** Whether this mapper of thin-edge.io connects to the cloud itself; unreadable means no. */
export const hasOwnBridge = (process: number): boolean =>
  variableOf(process, bridgeVariable).kind !== "unknown" && !isToldToMapOnly(process)

const isToldToMapOnly = (process: number): boolean => {
  const variable = variableOf(process, bridgeVariable)
  return variable.kind === "set" && variable.value === "false"
}

const hasBridge = ({ cloud, profile }: CloudConnection, { unit }: ThinEdgeMapper, process?: number) =>
  Effect.fail(new MapperHasBridge({ cloud: cloud.name, profile, unit, process }))

/** A bridge not started by the service manager keeps running, with the device's id. */
const refuseWhileHeld = (connection: CloudConnection, mapper: ThinEdgeMapper): Effect.Effect<void, ConnectRefusal> =>
  Effect.gen(function* () {
    const ours = bridgeService(connection.settings).unit
    for (const unit of [ours, mapper.unit]) {
      if (yield* connection.services.isActive(unit)) continue
      const process = yield* serviceHolder(connection, unit)
      if (process === "unseen") return yield* Effect.fail(new DeviceStillOnline({ unit, process: undefined }))
      if (process !== undefined && (unit === ours || hasOwnBridge(process)))
        return yield* Effect.fail(new DeviceStillOnline({ unit, process }))
    }
  })

const dropIn = (carrier: string): string =>
  [
    `# ${carrier} forwards the messages of this mapper. Made by 'tedge-hsm connect', removed by 'tedge-hsm disconnect'.`,
    "[Service]",
    `Environment=${bridgeVariable}=false`,
    ""
  ].join("\n")
