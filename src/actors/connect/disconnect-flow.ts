/** The steps of `tedge disconnect`: the mapper is stopped and disabled with or without the marker. */
import { Effect } from "effect"
import type { ConnectRefusal } from "../../messages/connect.ts"
import { bridgeUnit, type CloudConnection, markerPath } from "./cloud-connection.ts"
import { withBroker } from "./command-lock.ts"
import { putBack, readIfPresent, removeIfPresent } from "./connect-files.ts"
import { isOnlyMarker } from "./mosquitto-conf.ts"
import type { ConnectPeers } from "./peers.ts"
import { stopAndDisable } from "./steps/enable-services.ts"
import { broker, restartBroker } from "./steps/start-broker.ts"
import { type OnFailure, step } from "./transaction.ts"

export const disconnectFlow = (
  peers: ConnectPeers,
  connection: CloudConnection,
  onFailure: OnFailure
): Effect.Effect<void, ConnectRefusal> =>
  Effect.gen(function* () {
    const { cloud, services } = connection
    const path = markerPath(connection)
    const before = yield* readIfPresent(path)
    // Rolled back last, when everything else is restored.
    yield* onFailure(sayWhatRuns(peers, connection))
    yield* onFailure(putBack(path, before))
    yield* step(peers.show, "Removing bridge config file", removeIfPresent(path))
    if (before === undefined)
      yield* peers.show({ _tag: "Noted", note: { _tag: "BridgeAlreadyRemoved", cloud: cloud.name } })
    else if (!isOnlyMarker(before) && (yield* services.isActive(broker)))
      yield* withBroker(peers, connection, restartBroker(connection))
    yield* disableMapper(peers, connection, { wasConnected: before !== undefined, onFailure })
  })

const sayWhatRuns = (peers: ConnectPeers, connection: CloudConnection): Effect.Effect<void, ConnectRefusal> =>
  Effect.gen(function* () {
    const { cloud, services } = connection
    if (yield* services.isActive(bridgeUnit(connection)))
      yield* peers.show({ _tag: "Noted", note: { _tag: "OldConnectionBack", cloud: cloud.name } })
  })

const disableMapper = (
  peers: ConnectPeers,
  connection: CloudConnection,
  { wasConnected, onFailure }: { readonly wasConnected: boolean; readonly onFailure: OnFailure }
): Effect.Effect<void, ConnectRefusal> =>
  Effect.gen(function* () {
    const { services } = connection
    const mapper = bridgeUnit(connection)
    const isActive = yield* services.isActive(mapper)
    yield* onFailure(isActive ? Effect.andThen(services.start(mapper), services.enable(mapper)) : Effect.void)
    yield* stopAndDisable(peers, connection, mapper, { isActive, wasThere: wasConnected })
  })
