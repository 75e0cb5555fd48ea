/**
 * Protocol of ConnectActor: the steps of `tedge connect`, `reconnect`, `disconnect`, `connect --test`.
 *
 * Progress is published as events; the outcome of a command is its answer or refusal.
 */
import { Data } from "effect"
import type { AskFailed } from "../runtime/errors.ts"
import type { Ask } from "../runtime/protocol.ts"
import type { ConfigRefusal } from "./config.ts"
import type { MqttRefusal } from "./mqtt.ts"
import type { LockUnavailable, ServiceUserUnknown, SystemFileInvalid } from "./platform.ts"
import type { SettingWarning } from "./settings/refused-value.ts"
import type { TokenRefusal } from "./token-refusals.ts"

export type CloudName = "c8y" | "az" | "aws"

export interface CloudSelector {
  readonly cloud: CloudName
  readonly profile: string | undefined
}

/** A command of the service manager failed. */
export class ServiceCommandFailed extends Data.TaggedError("ServiceCommandFailed")<{
  readonly service: string
  readonly command: ReadonlyArray<string>
  readonly reason: "notFound" | "exit" | "signal" | "timeout"
  /** Exit code or signal name. */
  readonly status: string
  /** The command's stderr, at most some lines. */
  readonly output: string
}> {}

/** The service manager named in system.toml cannot be run. */
export class ServiceManagerUnavailable extends Data.TaggedError("ServiceManagerUnavailable")<{
  readonly name: string
  readonly command: ReadonlyArray<string>
}> {}

/** The connection exists: there is a bridge configuration for this cloud and profile. */
export class AlreadyConnected extends Data.TaggedError("AlreadyConnected")<CloudSelector> {}

/** There is no connection for this cloud and profile. */
export class NotConnected extends Data.TaggedError("NotConnected")<CloudSelector> {}

/** Two commands at a time that change one connection would undo each other's work. */
export class CommandRunning extends Data.TaggedError("CommandRunning")<
  CloudSelector & {
    /** Undefined: the other one has not written it yet. */
    readonly pid: number | undefined
    /** It may be for another cloud, and holds the lock of the local broker. */
    readonly shares?: "broker"
  }
> {}

/** A token signs for the built-in bridge only. */
export class HsmNeedsBuiltInBridge extends Data.TaggedError("HsmNeedsBuiltInBridge")<CloudSelector> {}

/** This product does not set up the mosquitto bridge. */
export class MosquittoBridgeRequested extends Data.TaggedError("MosquittoBridgeRequested")<CloudSelector> {}

/** Beside thin-edge.io: its mapper connects to the cloud itself, and our bridge is not set up. */
export class MapperHasBridge extends Data.TaggedError("MapperHasBridge")<
  CloudSelector & {
    /** `tedge-mapper-c8y@prod`. */
    readonly unit: string
    /** Undefined: not checked. */
    readonly process: number | undefined
  }
> {}

/** After `disconnect`: a process unknown to its service manager keeps running. */
export class DeviceStillOnline extends Data.TaggedError("DeviceStillOnline")<{
  readonly unit: string
  /** Undefined: not visible from here. */
  readonly process: number | undefined
}> {}

/** Two profiles have the same value where it must differ. */
export class ProfilesCollide extends Data.TaggedError("ProfilesCollide")<{
  readonly keys: ReadonlyArray<string>
  readonly value: string
}> {}

/** The local broker did not accept connections in time. */
export class BrokerNotListening extends Data.TaggedError("BrokerNotListening")<{
  readonly host: string
  readonly port: number
  readonly afterMs: number
  readonly cause: MqttRefusal | undefined
}> {}

/** The cloud did not acknowledge the device. */
export class DeviceNotCreated extends Data.TaggedError("DeviceNotCreated")<{
  readonly host: string
  readonly deviceId: string
  /** An error the cloud reported on `s/e`, if any. */
  readonly detail: string
}> {}

/** The bridge is down, or no response came through it. */
export class ConnectionCheckFailed extends Data.TaggedError("ConnectionCheckFailed")<{
  readonly cloud: CloudName
  /** The service that should connect: `tedge-mapper-c8y@prod`. */
  readonly unit: string
  /** `serviceEnds`: the mapper does not keep running. `inProgress`: it is still starting or connecting. */
  readonly reason: "localBroker" | "serviceEnds" | "inProgress" | "bridgeDown" | "noAnswer" | "refused"
  /** The bridge's own status, if any; the last error of a mapper that exited. */
  readonly detail: string
  readonly cause: MqttRefusal | undefined
}> {}

/** The responding cloud differs from the one in the settings. */
export class TenantMismatch extends Data.TaggedError("TenantMismatch")<{
  readonly issuer: string
  readonly profile?: string | undefined
  readonly mqttHost: string
  readonly httpHost: string
}> {}

/** The certificate cannot be used by the device. */
export class CertificateNotValid extends Data.TaggedError("CertificateNotValid")<{
  readonly path: string
  readonly reason: "expired" | "notYetValid"
  /** The end or the beginning of its validity, ISO 8601. */
  readonly at: string
  /** The cloud it is for, if known. */
  readonly cloud?: CloudSelector | undefined
}> {}

/** With the pending renewed certificate this would be another device. */
export class CertificateOfOtherDevice extends Data.TaggedError("CertificateOfOtherDevice")<{
  readonly path: string
  /** Its common name; undefined: none. */
  readonly name: string | undefined
  readonly deviceId: string
}> {}

/** A file that the command needs could not be written. */
export class FileNotWritten extends Data.TaggedError("FileNotWritten")<{
  readonly path: string
  /** `EACCES`, `ENOSPC` and the like. */
  readonly code: string
}> {}

export type ConnectRefusal =
  | AlreadyConnected
  | NotConnected
  | CommandRunning
  | HsmNeedsBuiltInBridge
  | MosquittoBridgeRequested
  | MapperHasBridge
  | DeviceStillOnline
  | ProfilesCollide
  | ServiceCommandFailed
  | SystemFileInvalid
  | ServiceUserUnknown
  | ServiceManagerUnavailable
  | BrokerNotListening
  | DeviceNotCreated
  | ConnectionCheckFailed
  | TenantMismatch
  | CertificateNotValid
  | CertificateOfOtherDevice
  | FileNotWritten
  | ConfigRefusal
  | MqttRefusal
  | TokenRefusal
  | AskFailed

/** One visible line of a command. `title` is the line's text without its mark. */
export type StepEvent =
  | { readonly _tag: "TitleShown"; readonly text: string }
  | { readonly _tag: "SummaryShown"; readonly lines: ReadonlyArray<readonly [label: string, value: string]> }
  /** `limitMs`: time limit. */
  | { readonly _tag: "StepStarted"; readonly title: string; readonly limitMs?: number | undefined }
  | { readonly _tag: "StepDone"; readonly title: string }
  | { readonly _tag: "StepFailed"; readonly title: string; readonly failure: ConnectRefusal }
  /** The step ended with a result worth reporting; the command continues. */
  | { readonly _tag: "StepDoubtful"; readonly title: string; readonly failure: ConnectRefusal }
  | { readonly _tag: "Warned"; readonly failure: ConnectRefusal | LockUnavailable }
  | { readonly _tag: "SettingWarned"; readonly warning: SettingWarning }
  | { readonly _tag: "Noted"; readonly note: Note }

/** Facts worth a line that are not failures. */
export type Note =
  | { readonly _tag: "AgentNotInstalled" }
  /** Beside thin-edge.io: nothing maps the messages that the bridge forwards. */
  | { readonly _tag: "MapperNotInstalled" }
  /** Beside thin-edge.io, if the service manager has no drop-ins. */
  | { readonly _tag: "MapperNeedsVariable"; readonly unit: string; readonly manager: string }
  | { readonly _tag: "BridgeAlreadyRemoved"; readonly cloud: CloudName }
  | { readonly _tag: "TestPassed"; readonly cloud: CloudName }
  | { readonly _tag: "OfflineSkipped"; readonly what: string }
  /** The check failed, and the mapper keeps trying. */
  | ({ readonly _tag: "LeftRunning" } & CloudSelector)
  /** A failed reconnect was rolled back: the previous mapper runs again. */
  | { readonly _tag: "OldConnectionBack"; readonly cloud: CloudName }
  | { readonly _tag: "CheckAttemptFailed"; readonly attempt: number; readonly of: number }
  /** The waiting continues: no attempt is counted. */
  | { readonly _tag: "CheckInProgress"; readonly detail: string }
  | { readonly _tag: "BrokerAsItIs" }
  /** This mosquitto queues no messages for a disconnected mapper; `because`: the file or setting with its own access rules. */
  | { readonly _tag: "BrokerForgets"; readonly because: string }
  /** The local broker does not read the files written for it: its main file includes another directory, or none. */
  | { readonly _tag: "BrokerReadsOtherFiles"; readonly directory: string; readonly main: string }
  | { readonly _tag: "BrokerNotOurs"; readonly port: number }
  | { readonly _tag: "TokenWaits"; readonly token: string }
  | { readonly _tag: "NewCertificateUsed"; readonly path: string }
  | { readonly _tag: "NewCertificateUnused"; readonly path: string }

/** `unused`: connected, but not with the pending new certificate. */
export interface Connected {
  readonly newCertificate: "none" | "used" | "unused"
}

export type ConnectProtocol = {
  readonly Connect: Ask<CloudSelector & { readonly offline: boolean }, Connected, ConnectRefusal>
  readonly Reconnect: Ask<CloudSelector & { readonly offline: boolean }, Connected, ConnectRefusal>
  readonly Disconnect: Ask<CloudSelector, void, ConnectRefusal>
  readonly Test: Ask<CloudSelector, void, ConnectRefusal>
}
