/** "Restarting mosquitto", if we manage it, and "Waiting for mosquitto to be listening for connections". */
import { createHash, type Hash } from "node:crypto"
import { statSync } from "node:fs"
import { join } from "node:path"
import { Effect, Schedule } from "effect"
import { BrokerNotListening, type ConnectRefusal, ServiceCommandFailed } from "../../../messages/connect.ts"
import type { MqttRefusal } from "../../../messages/mqtt.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"
import { type CloudConnection, mosquittoDir, type ValidConnection } from "../cloud-connection.ts"
import { withBroker } from "../command-lock.ts"
import { readIfPresent, removeIfPresent, writeWhole } from "../connect-files.ts"
import { closeQuietly } from "../conversation.ts"
import type { ConnectPeers } from "../peers.ts"
import { isIncluded, namesIn, optionIn, readMosquittoConf } from "../read-mosquitto-conf.ts"
import { localTarget } from "../targets.ts"
import { type OnFailure, step } from "../transaction.ts"
import { othersConnected, writeMosquittoFiles } from "./write-mosquitto-files.ts"

export const startBroker = (
  peers: ConnectPeers,
  connection: ValidConnection,
  onFailure: OnFailure
): Effect.Effect<void, ConnectRefusal> =>
  withBroker(
    peers,
    connection,
    prepareBroker(peers, connection, (undo) => onFailure(withBroker(peers, connection, undo)))
  )

const prepareBroker = (
  peers: ConnectPeers,
  connection: ValidConnection,
  onFailure: OnFailure
): Effect.Effect<void, ConnectRefusal> =>
  Effect.gen(function* () {
    const { services, settings } = connection
    const answers = yield* isAnswering(peers, connection)
    const owned = yield* services.ownsBroker(answers)
    const wasActive = owned && (yield* services.isActive(broker))
    let restarted = false
    // Rolled back in reverse: the files are restored when this restarts it with them.
    yield* onFailure(
      Effect.suspend(() => (restarted ? (wasActive ? restartBroker(connection) : services.stop(broker)) : Effect.void))
    )
    yield* writeMosquittoFiles(peers, connection, onFailure)
    const directory = mosquittoDir(connection)
    const { mainMosquittoConf: main } = peers
    if (owned && settings.mqtt.bindEnabled && services.name === "systemd" && isIncluded(directory, main) === false)
      yield* peers.show({ _tag: "Noted", note: { _tag: "BrokerReadsOtherFiles", directory, main } })
    const isNeeded = !answers || !wasActive || !(yield* isAsRestarted(connection))
    // Alone it always restarts the broker, as in the guide's transcript; other clouds' connections are not interrupted needlessly.
    restarted = owned && (isNeeded || !othersConnected(connection))
    if (restarted) yield* step(peers.show, "Restarting mosquitto", restartBroker(connection))
    else if (owned) yield* peers.show({ _tag: "Noted", note: { _tag: "BrokerAsItIs" } })
    else yield* peers.show({ _tag: "Noted", note: { _tag: "BrokerNotOurs", port: settings.mqtt.clientPort } })
    yield* step(
      peers.show,
      "Waiting for mosquitto to be listening for connections",
      waitUntilListening(peers, connection)
    )
    if (owned) yield* services.enable(broker)
  })

export const broker = "mosquitto"

/** Ends every connection to it: only if its files differ from those of the last restart. */
export const restartBroker = (connection: CloudConnection): Effect.Effect<void, ConnectRefusal> =>
  forgetRestart(connection).pipe(
    Effect.andThen(connection.services.restart(broker)),
    Effect.andThen(rememberRestart(connection))
  )

/** A broker that accepts MQTT connections, not only an open port. */
const waitUntilListening = (peers: ConnectPeers, connection: ValidConnection): Effect.Effect<void, ConnectRefusal> =>
  Effect.gen(function* () {
    const { clientHost: host, clientPort: port } = connection.settings.mqtt
    const started = yield* monotonicNow
    const last: { cause: MqttRefusal | undefined } = { cause: undefined }
    yield* tryOnce(peers, connection, 5000).pipe(
      Effect.tapError((failure) =>
        Effect.sync(() => {
          if (isMqttRefusal(failure)) last.cause = failure
        })
      ),
      Effect.retry({ while: mayPass, schedule: Schedule.spaced("250 millis") }),
      Effect.timeoutOrElse({ duration: "20 seconds", orElse: () => Effect.fail(undefined) }),
      Effect.catch((failure) =>
        Effect.gen(function* () {
          if (failure !== undefined && !isMqttRefusal(failure)) return yield* Effect.fail(failure)
          const afterMs = (yield* monotonicNow) - started
          return yield* new BrokerNotListening({ host, port, afterMs, cause: failure ?? last.cause })
        })
      )
    )
  })

/**
 * Before anything is changed, above all in the cloud. A running broker may be installed anywhere; the program
 * that system.toml starts is unknown.
 */
export const checkBrokerInstalled = (
  peers: ConnectPeers,
  connection: CloudConnection
): Effect.Effect<void, ServiceCommandFailed> =>
  Effect.gen(function* () {
    const isKnown = ["built-in", "systemd"].includes(connection.services.name)
    if (!isKnown || peers.findExecutable(broker) !== undefined || (yield* isAnswering(peers, connection))) return
    const missing = { service: broker, command: [broker], reason: "notFound", status: "ENOENT", output: "" } as const
    return yield* new ServiceCommandFailed(missing)
  })

const isAnswering = (peers: ConnectPeers, connection: CloudConnection): Effect.Effect<boolean> =>
  Effect.match(tryOnce(peers, connection, 2000), { onFailure: () => false, onSuccess: () => true })

const tryOnce = (peers: ConnectPeers, connection: CloudConnection, connectWithinMs: number) =>
  Effect.gen(function* () {
    const clientId = `tedge_connect_${process.pid}`
    const target = yield* localTarget(connection.settings, { clientId, connectWithinMs })
    yield* peers.session.ask("Open", { target }, { within: connectWithinMs + 1000 })
  }).pipe(Effect.ensuring(closeQuietly(peers)))

const refusals = [
  "DialFailed",
  "TlsFailed",
  "CredentialUnusable",
  "KeyMismatch",
  "SigningFailed",
  "BrokerRefused",
  "ConnectionLost",
  "BrokerSilent"
]

const isMqttRefusal = (failure: ConnectRefusal): failure is MqttRefusal => refusals.includes(failure._tag)

/** Not listening yet, or its files are not read yet. A wrong password stays wrong. */
const mayPass = (failure: ConnectRefusal): boolean =>
  failure._tag === "DialFailed" || failure._tag === "ConnectionLost" || failure._tag === "BrokerSilent"

/** Whether mosquitto was last restarted with these files, by one of these commands. */
const isAsRestarted = (connection: CloudConnection): Effect.Effect<boolean> =>
  Effect.map(
    Effect.orElseSucceed(readIfPresent(stampPath(connection)), () => undefined),
    (stamp) => stamp !== undefined && stamp === fingerprint(connection)
  )

/** Call before a restart: until it has succeeded, nothing is known. */
const forgetRestart = (connection: CloudConnection): Effect.Effect<void> =>
  Effect.ignore(removeIfPresent(stampPath(connection)))

/** If it cannot be stored, mosquitto is restarted. */
const rememberRestart = (connection: CloudConnection): Effect.Effect<void> =>
  Effect.suspend(() => Effect.ignore(writeWhole(stampPath(connection), fingerprint(connection))))

/** Deleted by a boot, which starts mosquitto with the files as they are. */
const stampPath = ({ settings }: CloudConnection): string => join(settings.run.path, "tedge-mosquitto.files")

/**
 * Of mosquitto's configuration files. Comments do not count: the marker of a connection is one. Of files named in a
 * line, and of those in a directory, size, time and path count.
 */
const fingerprint = (connection: CloudConnection): string => {
  const hash = createHash("sha256")
  for (const { path, lines } of readMosquittoConf(connection)) {
    // For mosquitto a file of comments is empty.
    if (lines.length > 0) hash.update(`${path}\n${lines.join("\n")}\n`)
    for (const line of lines) {
      const { option, value } = optionIn(line)
      if (namesFile.has(option)) addFacts(hash, value)
    }
  }
  const { clientHost, clientPort } = connection.settings.mqtt
  return `${hash.update(`${clientHost}:${clientPort}`).digest("hex")}\n`
}

/** Without files that mosquitto writes itself (persistence, logs, dynamic security). */
const namesFile = new Set([
  ...["certfile", "keyfile", "cafile", "capath", "crlfile", "dhparamfile", "password_file", "acl_file", "psk_file"],
  ...["bridge_certfile", "bridge_keyfile", "bridge_cafile", "bridge_capath", "plugin", "auth_plugin"]
])

const addFacts = (hash: Hash, path: string): void => {
  for (const name of ["", ...namesIn(path)]) {
    const facts = statSync(join(path, name), { throwIfNoEntry: false })
    hash.update(`${path}/${name} ${facts?.size} ${facts?.mtimeMs} ${facts?.ino}\n`)
  }
}
