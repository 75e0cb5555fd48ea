/**
 * ConnectActor: connects the device to a cloud, step by step, and rolls back when a step fails.
 *
 *   Connect     validate -> summary -> create device -> broker -> mapper -> verify -> tenant -> agent
 *   Reconnect   validate -> disconnect -> as Connect; a failed step restores the old connection
 *   Disconnect  marker -> mapper
 *   Test        validate -> request through broker, bridge and cloud
 *
 * The first three exclude each other for a cloud and profile, on the whole device.
 */
import { Effect } from "effect"
import {
  AlreadyConnected,
  type CloudSelector,
  type Connected,
  type ConnectProtocol,
  type ConnectRefusal,
  NotConnected
} from "../../messages/connect.ts"
import type { Behaviour, MailboxSpec } from "../../runtime/actor.ts"
import { bridgeUnit, type CloudConnection, markerPath } from "./cloud-connection.ts"
import { clouds } from "./clouds.ts"
import { alone } from "./command-lock.ts"
import { readIfPresent } from "./connect-files.ts"
import { asksTenant, setUp, showSummary, tenantTitle, verify, verifyTitle } from "./connect-flow.ts"
import { disconnectFlow } from "./disconnect-flow.ts"
import { isUnverified } from "./mosquitto-conf.ts"
import type { ConnectPeers } from "./peers.ts"
import { checkConnection } from "./steps/check-connection.ts"
import { checkTenant } from "./steps/check-tenant.ts"
import { handingBack } from "./steps/thin-edge-mapper.ts"
import { step, transaction } from "./transaction.ts"
import { refuseCollisions, validate } from "./validate.ts"

export const connectMailbox: MailboxSpec = { capacity: 4, overflow: { policy: "refuse" } }

export const connectBehaviour = (peers: ConnectPeers): Behaviour<ConnectProtocol> => ({
  init: () =>
    Effect.succeed({
      Connect: (wanted) => opened(peers, wanted, (connection) => connect(peers, connection, wanted.offline)),
      Reconnect: (wanted) => opened(peers, wanted, (connection) => reconnect(peers, connection, wanted.offline)),
      Disconnect: (wanted) =>
        Effect.flatMap(openToLeave(peers, wanted), (connection) =>
          alone(peers, connection, disconnect(peers, connection))
        ),
      Test: (wanted) => test(peers, wanted)
    })
})

type Steps = Effect.Effect<void, ConnectRefusal>

/** For commands that change the connection. */
const opened = <A>(
  peers: ConnectPeers,
  wanted: CloudSelector,
  work: (connection: CloudConnection) => Effect.Effect<A, ConnectRefusal>
): Effect.Effect<A, ConnectRefusal> =>
  Effect.flatMap(open(peers, wanted), (connection) => alone(peers, connection, work(connection)))

const connect = (
  peers: ConnectPeers,
  connection: CloudConnection,
  offline: boolean
): Effect.Effect<Connected, ConnectRefusal> =>
  Effect.gen(function* () {
    const valid = yield* validate(peers, connection, "untouched")
    yield* refuseCollisions(peers, connection)
    yield* refuseIfConnected(connection)
    yield* showSummary(peers, valid, "connect")
    const connected = yield* transaction(peers.show, (undo) => setUp(peers, valid, offline, undo))
    yield* verify(peers, valid, offline)
    return connected
  })

const reconnect = (
  peers: ConnectPeers,
  connection: CloudConnection,
  offline: boolean
): Effect.Effect<Connected, ConnectRefusal> =>
  Effect.gen(function* () {
    const valid = yield* validate(peers, connection, offline ? "untouched" : "asked")
    yield* refuseCollisions(peers, connection)
    const connected = yield* transaction(peers.show, (undo) =>
      Effect.gen(function* () {
        yield* peers.show({ _tag: "TitleShown", text: `Disconnecting from ${connection.cloud.displayName}` })
        yield* disconnectFlow(peers, connection, undo)
        yield* showSummary(peers, valid, "reconnect")
        return yield* setUp(peers, valid, offline, undo)
      })
    )
    yield* verify(peers, valid, offline)
    return connected
  })

const disconnect = (peers: ConnectPeers, connection: CloudConnection): Steps =>
  Effect.gen(function* () {
    yield* connection.services.checkAvailable
    // Half disconnected is closer to the request than connected again.
    yield* handingBack(
      peers,
      connection,
      disconnectFlow(peers, connection, () => Effect.void)
    )
  })

/** Asks the bridge, not the marker: what counts is whether messages get a response. */
const test = (peers: ConnectPeers, wanted: CloudSelector): Steps =>
  Effect.gen(function* () {
    const connection = yield* open(peers, wanted, "without secrets")
    const valid = yield* validate(peers, connection, "untouched")
    yield* showSummary(peers, valid, "test connection")
    yield* refuseCollisions(peers, connection)
    const marker = yield* readIfPresent(markerPath(connection))
    if (marker === undefined && !(yield* connection.services.isActive(bridgeUnit(connection))))
      return yield* new NotConnected(selectorOf(connection))
    const answer = yield* step(peers.show, verifyTitle, checkConnection(peers, valid))
    if (asksTenant(valid)) yield* step(peers.show, tenantTitle(valid), checkTenant(valid, answer))
    yield* peers.show({ _tag: "Noted", note: { _tag: "TestPassed", cloud: wanted.cloud } })
  })

/** A connection that was set up and not verified, or whose mapper does not run, may be repeated. */
const refuseIfConnected = (connection: CloudConnection): Steps =>
  Effect.gen(function* () {
    const marker = yield* readIfPresent(markerPath(connection))
    if (marker === undefined || isUnverified(marker)) return
    if (yield* connection.services.isActive(bridgeUnit(connection)))
      return yield* new AlreadyConnected(selectorOf(connection))
  })

/** Disconnecting needs no setting of the cloud: with an unusable settings file the device can still be disconnected. */
const openToLeave = (peers: ConnectPeers, wanted: CloudSelector): Effect.Effect<CloudConnection, ConnectRefusal> =>
  Effect.catch(open(peers, wanted), (failure) =>
    Effect.gen(function* () {
      const refuse = () => Effect.fail(failure)
      const connection = yield* Effect.catch(open(peers, wanted, "bare"), refuse)
      // A profile that is no longer in the settings may still be connected.
      if (failure._tag === "UnknownProfile" && !(yield* isThere(connection))) return yield* Effect.fail(failure)
      yield* peers.show({ _tag: "Warned", failure })
      return connection
    })
  )

const isThere = (connection: CloudConnection): Effect.Effect<boolean, ConnectRefusal> =>
  Effect.gen(function* () {
    const marker = yield* readIfPresent(markerPath(connection))
    return marker !== undefined || (yield* connection.services.isActive(bridgeUnit(connection)))
  })

const open = (
  peers: ConnectPeers,
  { cloud, profile }: CloudSelector,
  how: "whole" | "without secrets" | "bare" = "whole"
): Effect.Effect<CloudConnection, ConnectRefusal> =>
  Effect.gen(function* () {
    const asked = {
      cloud,
      profile,
      ...(how === "bare" && { bare: true as const }),
      ...(how === "without secrets" && { secrets: "optional" as const })
    }
    const read = yield* peers.config.ask("ReadCloudSettings", asked, { within: "30 seconds" })
    for (const warning of read.warnings) yield* peers.show({ _tag: "SettingWarned", warning })
    const services = yield* peers.services(read.settings)
    return { cloud: clouds[cloud], profile: read.settings.cloud.profile, settings: read.settings, services }
  })

const selectorOf = ({ cloud, profile }: CloudConnection): CloudSelector => ({ cloud: cloud.name, profile })
