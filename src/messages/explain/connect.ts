/** Sentences for refusals of the steps of `tedge connect`. */
import type { AskFailed } from "../../runtime/errors.ts"
import type {
  AlreadyConnected,
  BrokerNotListening,
  CertificateNotValid,
  CertificateOfOtherDevice,
  CloudSelector,
  CommandRunning,
  ConnectionCheckFailed,
  DeviceNotCreated,
  DeviceStillOnline,
  FileNotWritten,
  HsmNeedsBuiltInBridge,
  MapperHasBridge,
  MosquittoBridgeRequested,
  NotConnected,
  ProfilesCollide,
  ServiceCommandFailed,
  ServiceManagerUnavailable,
  TenantMismatch
} from "../connect.ts"
import { renewHint } from "./cloud-hints.ts"
import {
  danglingHint,
  type Explanation,
  foreignLinkHint,
  inBrackets,
  quoted,
  type Sentences,
  seconds,
  sentenceIn
} from "./explanation.ts"
import { explainMqtt } from "./mqtt.ts"
import { displayName } from "./note.ts"

/** ConnectActor's own refusals. */
export type StepRefusal =
  | AlreadyConnected
  | NotConnected
  | CommandRunning
  | HsmNeedsBuiltInBridge
  | MosquittoBridgeRequested
  | MapperHasBridge
  | DeviceStillOnline
  | ProfilesCollide
  | ServiceCommandFailed
  | ServiceManagerUnavailable
  | BrokerNotListening
  | DeviceNotCreated
  | ConnectionCheckFailed
  | TenantMismatch
  | CertificateNotValid
  | CertificateOfOtherDevice
  | FileNotWritten

/** The connection on the command line: `c8y --profile prod`. */
const words = (of: CloudSelector): string =>
  of.profile === undefined ? of.cloud : `${of.cloud} --profile ${of.profile}`

export const connectSentences = {
  AlreadyConnected: (failure) => ({
    error: "Connection is already established",
    hint: `to re-establish it: tedge reconnect ${words(failure)}; to remove it: tedge disconnect ${words(failure)}`
  }),
  NotConnected: (failure) => ({
    error: `Device is not connected to ${displayName[failure.cloud]}`,
    hint: `tedge connect ${words(failure)}`
  }),
  CommandRunning: (failure) => ({
    error: `another tedge connect, reconnect or disconnect${failure.shares === undefined ? ` of ${words(failure)} is running` : " has been changing the local broker for minutes"}${inBrackets(failure.pid === undefined ? "" : `process ${failure.pid}`)}`,
    hint: "wait for it, then try again"
  }),
  HsmNeedsBuiltInBridge: () => ({
    error:
      "PKCS #11 does not work with mosquitto as the bridge: the key in the token signs for the built-in bridge only",
    hint: "tedge config set mqtt.bridge.built_in true"
  }),
  MosquittoBridgeRequested: () => ({
    error: "mqtt.bridge.built_in is false, and this tedge does not support the mosquitto bridge",
    hint: "tedge config set mqtt.bridge.built_in true"
  }),
  MapperHasBridge: (failure) => ({
    error: `thin-edge.io's ${failure.unit}${inBrackets(failure.process === undefined ? "" : `process ${failure.process}`)} connects to ${displayName[failure.cloud]} itself`,
    hint: `give it TEDGE_MQTT_BRIDGE_BUILT_IN=false in its environment (tedge connect ${words(failure)} does so under systemd), or disconnect it: /usr/bin/tedge disconnect ${words(failure)}`
  }),
  DeviceStillOnline: (failure) => ({
    error: `the device is still connected: ${failure.process === undefined ? "a process that cannot be seen from here" : `process ${failure.process}`} runs as ${failure.unit}, and its service is stopped`,
    hint: `end it${failure.process === undefined ? " (in another container?)" : ""}, then try again${failure.process === undefined ? "" : `: kill ${failure.process}`}`
  }),
  ProfilesCollide: (failure) => ({
    error: `these settings must differ between profiles, and are all '${failure.value}': ${failure.keys.join(", ")}`,
    hint: `tedge config set ${failure.keys.at(-1) ?? "<key>"} <another value>`
  }),
  ServiceCommandFailed: (failure) => {
    const command = `Service command <"${failure.command.join(" ")}">`
    const output = inBrackets(failure.output)
    switch (failure.reason) {
      case "notFound":
        return failure.command.length === 1 ? explainNotInstalled(failure.service) : explainNoCommand(failure, command)
      case "exit":
        return { error: `${command} failed with code: ${failure.status}${output}`, hint: byHand }
      case "signal":
        return { error: `${command} terminated by a signal (${failure.status})${output}`, hint: byHand }
      case "timeout":
        return { error: `${command} timed out after ${failure.status}${output}`, hint: byHand }
    }
  },
  ServiceManagerUnavailable: (failure) => ({
    error: `the service manager '${failure.name}' is not available: '${failure.command.join(" ")}' failed`,
    hint:
      failure.name === "systemd"
        ? "systemd is running but does not answer; check: systemctl status"
        : "check [init] in system.toml; without it tedge manages its services itself"
  }),
  BrokerNotListening: (failure) => {
    const cause = failure.cause === undefined ? "" : `: ${explainMqtt(failure.cause).error}`
    return {
      error: `Timed out after ${seconds(failure.afterMs)} waiting for mosquitto to be listening at ${failure.host}:${failure.port}${cause}`,
      hint: "see mosquitto's log, and check mqtt.client.host and mqtt.client.port"
    }
  },
  DeviceNotCreated: (failure) => ({
    error: `${failure.host} did not acknowledge the device '${failure.deviceId}'${inBrackets(failure.detail)}`,
    hint: "check in the cloud that this device may be registered"
  }),
  ConnectionCheckFailed: (failure) => {
    const start = `Failed to verify device is connected to ${displayName[failure.cloud]}`
    const cause = failure.cause === undefined ? undefined : explainMqtt(failure.cause)
    switch (failure.reason) {
      case "localBroker":
        return {
          error: `${start}: ${cause?.error ?? quoted(failure.detail)}`,
          hint: "the problem is the local broker, not the cloud: check mqtt.client.host and mqtt.client.port"
        }
      case "serviceEnds":
        return {
          error: `${start}: ${failure.unit} does not keep running: ${quoted(failure.detail)}`,
          hint: `see its log: journalctl -u ${failure.unit}`
        }
      case "inProgress":
      case "bridgeDown":
        return {
          error: `${start}: the bridge is down${inBrackets(cause?.error ?? failure.detail)}`,
          hint: cause?.hint ?? `see the log of ${failure.unit}`
        }
      case "refused":
        return { error: `${start}: ${quoted(failure.detail)}` }
      case "noAnswer":
        return {
          error: `${start}: the bridge is up, but the cloud did not answer${inBrackets(failure.detail)}`,
          hint: "check in the cloud that the device may publish and subscribe"
        }
    }
  },
  TenantMismatch: (failure) => ({
    error: `The device is connected to ${failure.issuer}, but the configured URL is (mqtt=${failure.mqttHost}, http=${failure.httpHost})`,
    hint: `remove the device certificate from ${failure.issuer}, then: tedge reconnect ${words({ cloud: "c8y", profile: failure.profile })}`
  }),
  CertificateNotValid: (failure) =>
    failure.reason === "expired"
      ? {
          error: `the device certificate '${failure.path}' expired at ${failure.at}`,
          hint: `${renewHint(failure.cloud && { name: failure.cloud.cloud, profile: failure.cloud.profile })}; or check the device's clock: date`
        }
      : {
          error: `the device certificate '${failure.path}' is not valid before ${failure.at}`,
          hint: "check the device's clock: date"
        },
  CertificateOfOtherDevice: (failure) => ({
    error: `the new certificate '${failure.path}' is for ${failure.name === undefined ? "no device" : `the device '${quoted(failure.name)}'`}, and this one is '${quoted(failure.deviceId)}'`,
    hint: `remove it (rm '${failure.path}'), or renew again: tedge cert renew`
  }),
  FileNotWritten: (failure) => {
    const error = `'${failure.path}' could not be written: ${failure.code}`
    switch (failure.code) {
      case "EACCES":
      case "EPERM":
        return { error, hint: "run the command as root (sudo), or give this user the right to write there" }
      case "EROFS":
        return { error, hint: "the file system is read-only: choose another place with --config-dir" }
      case "ENOSPC":
      case "EDQUOT":
        return { error, hint: "the disk is full; the old file is unchanged" }
      case "EISDIR":
        return { error: `${error} (a directory with this name exists)`, hint: "choose another path, or remove it" }
      case "ENXIO":
        return { error: `${error} (a FIFO or socket with this name exists)`, hint: "choose another path, or remove it" }
      case "EBUSY":
        return {
          error: `${error} (it is a mount point)`,
          hint: "mount its directory instead of the file, then renew it"
        }
      case "dangling link":
        return { error, hint: danglingHint }
      case "link of another user":
        return { error, hint: foreignLinkHint }
      case "ENOTDIR":
      case "EEXIST":
        return { error, hint: "a file exists where a directory is expected" }
      default:
        return { error }
    }
  }
} satisfies Sentences<StepRefusal>

const byHand = "run it manually, or see the log of the service"

/** The built-in service manager has no commands but the program itself. */
const explainNotInstalled = (service: string): Explanation => ({
  error: `${service} is not installed`,
  hint: service === "mosquitto" ? "on Debian: apt-get install mosquitto" : "install it, or put it in the PATH"
})

const explainNoCommand = ({ command: [program] }: ServiceCommandFailed, command: string): Explanation => ({
  error: `${command} not found`,
  hint: program === "systemctl" ? "install systemd's systemctl, or put it in the PATH" : "check [init] in system.toml"
})

/** A log line: every local user can read a service's environment. */
export const explainKeptOut = (service: string, names: ReadonlyArray<string>): string =>
  `${service} does not get ${names.join(", ")} from the environment, where others could read it; store it instead: tedge config set`

/** Failures of asks. */
export const explainAsk = (failure: AskFailed): Explanation => sentenceIn(askSentences, failure)

export const askSentences = {
  AskTimeout: (failure) => ({
    error: `${failure.actor} did not ${failure.stage === "queued" ? "start" : "finish"} '${failure.message}' within ${seconds(failure.withinMs)}`
  }),
  PeerDown: (failure) => ({
    error: `${failure.actor} crashed while handling '${failure.message}'; it restarts automatically`,
    hint: "try again"
  }),
  Undeliverable: (failure) =>
    failure.reason === "full"
      ? { error: `${failure.actor} is overloaded: mailbox full`, hint: "try again in a moment" }
      : failure.retryInMs === undefined
        ? { error: `${failure.actor} has stopped` }
        : {
            error: `${failure.actor} is parked after repeated failures and restarts in ${seconds(failure.retryInMs)}`,
            hint: "retried automatically; the log says why it failed"
          }
} satisfies Sentences<AskFailed>
