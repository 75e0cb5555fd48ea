/** The steps of `tedge connect`, in the order users see them. Source: hsm-support, transcript of `tedge reconnect c8y`. */
import { join } from "node:path"
import { Effect } from "effect"
import type { Connected, ConnectRefusal } from "../../messages/connect.ts"
import type { MqttMessage } from "../../messages/mqtt.ts"
import { serviceSocketDir } from "../../messages/service-socket.ts"
import { monotonicNow } from "../../runtime/primitives/monotonic-time.ts"
import { bridgeUnit, type ValidConnection } from "./cloud-connection.ts"
import type { ConnectPeers } from "./peers.ts"
import { checkConnection } from "./steps/check-connection.ts"
import { checkTenant } from "./steps/check-tenant.ts"
import { createDevice } from "./steps/create-device.ts"
import { enableAgent, enableMapper } from "./steps/enable-services.ts"
import { promoteCertificate } from "./steps/promote-certificate.ts"
import { startBroker } from "./steps/start-broker.ts"
import { enableThinEdgeMapper, handOver } from "./steps/thin-edge-mapper.ts"
import { markVerified } from "./steps/write-mosquitto-files.ts"
import { summary } from "./summary.ts"
import { cloudWithinMs } from "./targets.ts"
import { type OnFailure, step } from "./transaction.ts"

export const showSummary = (
  { show }: ConnectPeers,
  connection: ValidConnection,
  title: "connect" | "reconnect" | "test connection"
): Effect.Effect<void> =>
  Effect.andThen(
    show({ _tag: "TitleShown", text: `${title} to ${connection.cloud.displayName} cloud.:` }),
    show({ _tag: "SummaryShown", lines: summary(connection) })
  )

/** Up to the running mapper. A failure rolls back all of it. */
export const setUp = (
  peers: ConnectPeers,
  connection: ValidConnection,
  offline: boolean,
  undo: OnFailure
): Effect.Effect<Connected, ConnectRefusal> =>
  Effect.gen(function* () {
    yield* handOver(peers, connection, undo)
    const newCertificate = offline ? yield* skipCloud(peers, connection) : yield* meetCloud(peers, connection, undo)
    yield* startBroker(peers, connection, undo)
    yield* giveToService(peers, connection)
    yield* peers.reportClosed(connection.settings)
    yield* makeRunDirectories(peers, connection)
    yield* enableMapper(peers, connection, undo)
    yield* enableThinEdgeMapper(peers, connection, undo)
    return { newCertificate }
  })

/**
 * The verification. Whatever its result, the mapper stays and keeps retrying: a device in the field must not
 * lose its only access. The marker records that nothing was verified, so that `connect` may be repeated.
 */
export const verify = (
  peers: ConnectPeers,
  connection: ValidConnection,
  offline: boolean
): Effect.Effect<void, ConnectRefusal> =>
  Effect.gen(function* () {
    if (offline) yield* skipped(peers, "the connection check")
    else
      yield* Effect.tapError(check(peers, connection), () =>
        peers.show({
          _tag: "Noted",
          note: { _tag: "LeftRunning", cloud: connection.cloud.name, profile: connection.profile }
        })
      )
    yield* markVerified(connection)
    if (connection.cloud.hasAgent) yield* enableAgent(peers, connection)
  })

/** Steps directly with the cloud, as the device. */
const meetCloud = (
  peers: ConnectPeers,
  connection: ValidConnection,
  undo: OnFailure
): Effect.Effect<Connected["newCertificate"], ConnectRefusal> =>
  Effect.gen(function* () {
    const { cloud, services } = connection
    const mapper = bridgeUnit(connection)
    if (yield* services.isActive(mapper)) {
      // Both have the device's client id: the cloud would end one connection for the other.
      yield* undo(services.start(mapper))
      yield* services.stop(mapper)
    }
    const startedAt = yield* monotonicNow
    const trialMs = cloud.createsDevice ? cloudWithinMs - creationMs : cloudWithinMs
    const newCertificate = yield* promoteCertificate(peers, connection, trialMs)
    if (!cloud.createsDevice) return newCertificate
    // Monotonic: unaffected by clock steps.
    const spentMs = Math.min(Math.max((yield* monotonicNow) - startedAt, 0), trialMs)
    const leftMs = cloudWithinMs - spentMs
    const creation = createDevice(peers, connection, leftMs)
    yield* step(peers.show, `Creating device in ${cloud.displayName} cloud`, creation, leftMs)
    return newCertificate
  })

/** Time left after the test of a new certificate: both together take as long as a connection may, as the mapper is stopped meanwhile. */
const creationMs = 20_000

/** The current certificate is kept, and the renewed one remains pending: nothing failed. */
const skipCloud = (peers: ConnectPeers, connection: ValidConnection): Effect.Effect<"none"> =>
  Effect.gen(function* () {
    const { cloud, pending } = connection
    if (pending.kind !== "none") yield* skipped(peers, "new device certificate validation")
    if (cloud.createsDevice) yield* skipped(peers, `device creation in ${cloud.displayName} cloud`)
    return "none" as const
  })

/** For its lock and its socket: its user may not be allowed to create them. */
const makeRunDirectories = (peers: ConnectPeers, { settings }: ValidConnection): Effect.Effect<void> => {
  const { path } = settings.run
  return Effect.andThen(peers.makeForService(join(path, "lock")), peers.makeForService(serviceSocketDir(path)))
}

/** The mapper runs as another user, which must be able to read the credentials. */
const giveToService = (peers: ConnectPeers, { auth, settings }: ValidConnection): Effect.Effect<void> => {
  if (auth.kind !== "certificate") return Effect.void
  const { certPath, keyPath } = settings.cloud.device
  return Effect.forEach(settings.cryptoki.mode === "off" ? [certPath, keyPath] : [certPath], peers.giveToService, {
    discard: true
  })
}

const check = (peers: ConnectPeers, connection: ValidConnection): Effect.Effect<void, ConnectRefusal> =>
  Effect.gen(function* () {
    const answer = yield* step(peers.show, verifyTitle, checkUntilItFails(peers, connection))
    if (asksTenant(connection)) yield* warnOfOtherTenant(peers, connection, answer)
  })

/**
 * Five completed attempts without success, with delays of 2, 4, 8 and 16 s. A mapper that is still starting or
 * connecting does not count: on a slow machine that takes minutes.
 */
const checkUntilItFails = (
  peers: ConnectPeers,
  connection: ValidConnection
): Effect.Effect<MqttMessage, ConnectRefusal> =>
  Effect.gen(function* () {
    const startedAt = yield* monotonicNow
    for (let failed = 0; ; ) {
      const result = yield* Effect.result(checkConnection(peers, connection))
      if (result._tag === "Success") return result.success
      const { failure } = result
      const reason = failure._tag === "ConnectionCheckFailed" ? failure.reason : undefined
      const isInProgress = reason === "inProgress" && (yield* monotonicNow) - startedAt < longestInProgressMs
      if (!isInProgress) failed += 1
      if (reason === "serviceEnds" || (reason === "inProgress" && !isInProgress) || failed === attempts)
        return yield* Effect.fail(failure)
      yield* peers.show({
        _tag: "Noted",
        note:
          isInProgress && failure._tag === "ConnectionCheckFailed"
            ? { _tag: "CheckInProgress", detail: failure.detail }
            : { _tag: "CheckAttemptFailed", attempt: failed, of: attempts }
      })
      yield* Effect.sleep(isInProgress ? 0 : 2_000 * 2 ** (failed - 1))
    }
  })

const attempts = 5

/** Longer than a start and a first connection take on the slowest machine tested. */
const longestInProgressMs = 180_000

/** It is connected, but not to the configured tenant. */
const warnOfOtherTenant = (
  { show }: ConnectPeers,
  connection: ValidConnection,
  answer: MqttMessage
): Effect.Effect<void> => {
  const title = tenantTitle(connection)
  return Effect.andThen(
    show({ _tag: "StepStarted", title }),
    Effect.matchEffect(checkTenant(connection, answer), {
      onFailure: (failure) => show({ _tag: "StepDoubtful", title, failure }),
      onSuccess: () => show({ _tag: "StepDone", title })
    })
  )
}

const skipped = ({ show }: ConnectPeers, what: string): Effect.Effect<void> =>
  show({ _tag: "Noted", note: { _tag: "OfflineSkipped", what } })

export const verifyTitle = "Verifying device is connected to cloud"

/** Only a token reports the tenant. */
export const asksTenant = ({ cloud, auth }: ValidConnection): boolean =>
  cloud.name === "c8y" && auth.kind === "certificate"

export const tenantTitle = ({ cloud }: ValidConnection): string =>
  `Checking ${cloud.displayName} is connected to intended tenant`
