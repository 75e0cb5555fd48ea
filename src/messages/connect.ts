/**
 * What ConnectActor understands: the steps of `tedge connect`, `reconnect`, `disconnect`, `connect --test`.
 *
 * What the user sees meanwhile travels as events; what a command ends with is its answer or refusal.
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

/** A command of the service manager did not do its work. */
export class ServiceCommandFailed extends Data.TaggedError("ServiceCommandFailed")<{
  readonly service: string
  readonly command: ReadonlyArray<string>
  readonly reason: "notFound" | "exit" | "signal" | "timeout"
  /** Exit code or signal name. */
  readonly status: string
  /** What the command printed on stderr, at most some lines. */
  readonly output: string
}> {}

/** The service manager that system.toml names cannot be run. */
export class ServiceManagerUnavailable extends Data.TaggedError("ServiceManagerUnavailable")<{
  readonly name: string
  readonly command: ReadonlyArray<string>
}> {}

/** The connection exists: a bridge configuration of this cloud and profile is there. */
export class AlreadyConnected extends Data.TaggedError("AlreadyConnected")<CloudSelector> {}

/** There is no connection of this cloud and profile. */
export class NotConnected extends Data.TaggedError("NotConnected")<CloudSelector> {}

/** Two commands that change one connection at a time would undo each other's work. */
export class CommandRunning extends Data.TaggedError("CommandRunning")<
  CloudSelector & {
    /** Undefined: the other one has not written it yet. */
    readonly pid: number | undefined
    /** It may be for another cloud, and does not let go of the local broker. */
    readonly shares?: "broker"
  }
> {}

/** A token signs for the built-in bridge only. */
export class HsmNeedsBuiltInBridge extends Data.TaggedError("HsmNeedsBuiltInBridge")<CloudSelector> {}

/** The mosquitto bridge is not ours to make. */
export class MosquittoBridgeRequested extends Data.TaggedError("MosquittoBridgeRequested")<CloudSelector> {}

/** Beside thin-edge.io: its mapper connects to the cloud itself, and nothing of ours hands it over. */
export class MapperHasBridge extends Data.TaggedError("MapperHasBridge")<
  CloudSelector & {
    /** `tedge-mapper-c8y@prod`. */
    readonly unit: string
    /** Undefined: it was not looked at. */
    readonly process: number | undefined
  }
> {}

/** After `disconnect`: a process that its service manager does not know goes on. */
export class DeviceStillOnline extends Data.TaggedError("DeviceStillOnline")<{
  readonly unit: string
  /** Undefined: it cannot be seen from here. */
  readonly process: number | undefined
}> {}

/** Two profiles have the same value where they must differ. */
export class ProfilesCollide extends Data.TaggedError("ProfilesCollide")<{
  readonly keys: ReadonlyArray<string>
  readonly value: string
}> {}

/** The local broker does not accept connections in time. */
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
  /** An error the cloud reported on `s/e`, if it did. */
  readonly detail: string
}> {}

/** The bridge is not up, or nothing came back through it. */
export class ConnectionCheckFailed extends Data.TaggedError("ConnectionCheckFailed")<{
  readonly cloud: CloudName
  /** The service that should connect: `tedge-mapper-c8y@prod`. */
  readonly unit: string
  /** `serviceEnds`: the mapper does not keep running. `inProgress`: it is still starting or connecting. */
  readonly reason: "localBroker" | "serviceEnds" | "inProgress" | "bridgeDown" | "noAnswer" | "refused"
  /** What the bridge says of itself, if it does; the last error of a mapper that ends. */
  readonly detail: string
  readonly cause: MqttRefusal | undefined
}> {}

/** The cloud that answered is another one than the settings name. */
export class TenantMismatch extends Data.TaggedError("TenantMismatch")<{
  readonly issuer: string
  readonly profile?: string | undefined
  readonly mqttHost: string
  readonly httpHost: string
}> {}

/** The certificate cannot be what the device shows. */
export class CertificateNotValid extends Data.TaggedError("CertificateNotValid")<{
  readonly path: string
  readonly reason: "expired" | "notYetValid"
  /** The end or the beginning of its validity, ISO 8601. */
  readonly at: string
  /** Which cloud it is for, where that is known. */
  readonly cloud?: CloudSelector | undefined
}> {}

/** The renewed certificate that waits would make this another device. */
export class CertificateOfAnother extends Data.TaggedError("CertificateOfAnother")<{
  readonly path: string
  /** The common name in it; undefined: it has none. */
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
  | CertificateOfAnother
  | FileNotWritten
  | ConfigRefusal
  | MqttRefusal
  | TokenRefusal
  | AskFailed

/** One visible line of a command. `title` is the line's text without its mark. */
export type StepEvent =
  | { readonly _tag: "TitleShown"; readonly text: string }
  | { readonly _tag: "SummaryShown"; readonly lines: ReadonlyArray<readonly [label: string, value: string]> }
  /** `limitMs`: it ends by then. */
  | { readonly _tag: "StepStarted"; readonly title: string; readonly limitMs?: number | undefined }
  | { readonly _tag: "StepDone"; readonly title: string }
  | { readonly _tag: "StepFailed"; readonly title: string; readonly failure: ConnectRefusal }
  /** The step came to an end one should know about; the command goes on. */
  | { readonly _tag: "StepDoubtful"; readonly title: string; readonly failure: ConnectRefusal }
  | { readonly _tag: "Warned"; readonly failure: ConnectRefusal | LockUnavailable }
  | { readonly _tag: "SettingWarned"; readonly warning: SettingWarning }
  | { readonly _tag: "Noted"; readonly note: Note }

/** Facts worth a line that are no failure. */
export type Note =
  | { readonly _tag: "AgentNotInstalled" }
  /** Beside thin-edge.io: nothing maps the messages that the bridge forwards. */
  | { readonly _tag: "MapperNotInstalled" }
  /** Beside thin-edge.io, where the service manager has no place for a variable of another's service. */
  | { readonly _tag: "MapperNeedsVariable"; readonly unit: string; readonly manager: string }
  | { readonly _tag: "BridgeAlreadyRemoved"; readonly cloud: CloudName }
  | { readonly _tag: "TestPassed"; readonly cloud: CloudName }
  | { readonly _tag: "OfflineSkipped"; readonly what: string }
  /** The check failed, and the mapper goes on trying. */
  | ({ readonly _tag: "LeftRunning" } & CloudSelector)
  /** A failed reconnect was undone: the mapper that ran before runs again. */
  | { readonly _tag: "OldConnectionBack"; readonly cloud: CloudName }
  | { readonly _tag: "CheckAttemptFailed"; readonly attempt: number; readonly of: number }
  /** What is waited for goes on: no attempt is counted. */
  | { readonly _tag: "CheckInProgress"; readonly detail: string }
  | { readonly _tag: "BrokerAsItIs" }
  /** This mosquitto keeps no messages for a mapper that is away; `because`: the file or setting that has access rules of its own. */
  | { readonly _tag: "BrokerForgets"; readonly because: string }
  /** The local broker does not read the files that were written for it: its main file names another directory, or none. */
  | { readonly _tag: "BrokerReadsOtherFiles"; readonly directory: string; readonly main: string }
  | { readonly _tag: "BrokerNotOurs"; readonly port: number }
  | { readonly _tag: "TokenWaits"; readonly token: string }
  | { readonly _tag: "NewCertificateUsed"; readonly path: string }
  | { readonly _tag: "NewCertificateUnused"; readonly path: string }

/** `unused`: connected, but not with the certificate that waits to replace the present one. */
export interface Connected {
  readonly newCertificate: "none" | "used" | "unused"
}

export type ConnectProtocol = {
  readonly Connect: Ask<CloudSelector & { readonly offline: boolean }, Connected, ConnectRefusal>
  readonly Reconnect: Ask<CloudSelector & { readonly offline: boolean }, Connected, ConnectRefusal>
  readonly Disconnect: Ask<CloudSelector, void, ConnectRefusal>
  readonly Test: Ask<CloudSelector, void, ConnectRefusal>
}
