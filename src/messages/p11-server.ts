/**
 * What P11ServerActor understands, reports and refuses: the signing service behind a UNIX socket.
 *
 * Its clients speak frames (`wire/frame1.ts`); these messages come from the process it runs in.
 */
import { Data, type Redacted } from "effect"
import type { Ask } from "../runtime/protocol.ts"
import type { SigningTimes } from "./cryptoki.ts"
import type { Pkcs11Uri } from "./pkcs11-uri.ts"

/** What a client may be allowed to do. */
export type ServerOperation = "list" | "sign" | "public-key" | "create-key" | "init" | "change-pin" | "delete-key"

/** What everybody may do who may open the socket. */
export const everybodysOperations: ReadonlyArray<ServerOperation> = ["list", "sign", "public-key"]

export const allOperations: ReadonlyArray<ServerOperation> = [
  ...everybodysOperations,
  "create-key",
  "init",
  "change-pin",
  "delete-key"
]

/** These change a token. */
export const changingOperations: ReadonlyArray<ServerOperation> = ["create-key", "init", "change-pin", "delete-key"]

/** How a rule begins in tedge.toml. */
export const accessRuleHeader = "[[p11_server.rules]]"

/** Opens or narrows the service for one user or group. The first rule that names the client counts. */
export interface AccessRule {
  readonly who: { readonly uid: number } | { readonly gid: number }
  readonly operations: ReadonlyArray<ServerOperation>
  /** Within the service's own scope. */
  readonly scope?: Pkcs11Uri
}

/** What may be changed while it runs. */
export interface P11ServerPolicy {
  /** `device.cryptoki.uri`. */
  readonly scope: Pkcs11Uri | undefined
  /** The service's own PIN: for requests without one, and for tokens that are initialised without naming one. */
  readonly defaultPin: Redacted.Redacted<string> | undefined
  readonly rules: ReadonlyArray<AccessRule>
  readonly limits: P11ServerLimits
  /** tedge.toml is there and cannot be used. Scope and rules may be in it: nothing but Ping is answered. */
  readonly unread?: SettingsUnread
}

export interface SettingsUnread {
  /** As it was given. */
  readonly path: string
  /** The system's words for why it cannot be read; undefined: it is no TOML. */
  readonly unreadable: string | undefined
}

/** The settings could not be read when the service started; root is refused too. */
export class SettingsNotRead extends Data.TaggedError("SettingsNotRead")<SettingsUnread> {}

export interface P11ServerLimits {
  /** Connections served at once; further ones are refused as busy. */
  readonly connections: number
  /** Of these, for one user other than root and the service's own. */
  readonly connectionsPerUser: number
  /** How long a client may take to send its request, and then to take its answer, in milliseconds. */
  readonly readMs: number
  readonly writeMs: number
}

export interface P11ServerStatus {
  readonly connections: number
  /** Of these, those whose request is complete. */
  readonly answering: number
  readonly served: number
  readonly refused: number
  /** Clients that were aborted: silent, too slow, too long. */
  readonly aborted: number
}

/** What P11ServerActor understands. Sent by the program it runs in. */
export type P11ServerProtocol = {
  readonly Status: Ask<void, P11ServerStatus>
  /** Requests that come from now on are judged by it; those in flight finish as they began. */
  readonly Reload: Ask<P11ServerPolicy, void>
}

/** Who asked; undefined where the kernel would not say. */
export interface Client {
  readonly uid: number | undefined
  readonly gid: number | undefined
  /** Supplementary groups; undefined where the kernel would not say. */
  readonly groups?: ReadonlyArray<number> | undefined
  readonly pid: number | undefined
  /** Whose subordinate id (subuid(5)) the uid is: its wrong PINs, connections and restrictions are that user's. */
  readonly ownerUid?: number | undefined
}

/** A request for a signature, from its client to its client. Moments are of `processMonotonicMs`. */
export interface RequestTimes {
  readonly acceptedAt: number
  /** All of it was there. */
  readonly readAt: number
  readonly decodedAt: number
  /** Undefined: refused. */
  readonly signed: SigningTimes | undefined
  /** There was an answer to write. */
  readonly answeredAt: number
  readonly endedAt: number
}

/** Facts for the log. They never hold a PIN, nor what was signed. */
export type P11ServerEvent =
  | {
      readonly _tag: "RequestServed"
      readonly client: Client
      readonly operation: ServerOperation
      /** What it was about or what it made, PIN redacted. */
      readonly uri: string | undefined
      readonly tookMs: number
      /** Of a signature; choosing its scheme is none. */
      readonly signing?: RequestTimes
    }
  | {
      readonly _tag: "RequestRefused"
      readonly client: Client
      /** Undefined: it is none of ours. */
      readonly operation: ServerOperation | undefined
      readonly uri: string | undefined
      readonly tookMs: number
      readonly signing?: RequestTimes
      /** As it was reported to the client. */
      readonly reason: string
      /** It was about a right, a PIN or a change: each has its line in the log, however many there are. */
      readonly isAudited: boolean
    }
  /** The request could not be read, or the answer not be delivered. */
  | {
      readonly _tag: "ClientAborted"
      readonly client: Client
      readonly reason: "silent" | "tooLong" | "gone" | "notReading" | "tooMany"
    }
  /** The client named a module or a source of a PIN; the service never takes those from a client. */
  | { readonly _tag: "ClientAttributeIgnored"; readonly client: Client; readonly attribute: string }
  /** Lines of one kind that were not written, as there were too many in this time. */
  | { readonly _tag: "LinesLeftOut"; readonly kind: string; readonly count: number; readonly inMs: number }
  | { readonly _tag: "AcceptFailed"; readonly code: string }
  | { readonly _tag: "StaleSocketRemoved"; readonly path: string }

/** The client may not do this. */
export class OperationNotAllowed extends Data.TaggedError("OperationNotAllowed")<{
  readonly operation: ServerOperation
  readonly uid: number | undefined
  /** The number of the rule that names the client, from 1; undefined: none does. */
  readonly rule: number | undefined
}> {}

/** The request asks for something the service does not make. */
export class RequestNotUsable extends Data.TaggedError("RequestNotUsable")<{
  readonly what: "rsa key size" | "curve" | "SO PIN missing" | "PIN missing"
  readonly value: string | undefined
}> {}

/** The service cannot listen at this path. */
export class ListenFailed extends Data.TaggedError("ListenFailed")<{
  readonly path: string
  readonly reason: /** More than 107 bytes. */
    | "tooLong"
    /** Another instance has the lock, or answers there. */
    | "inUse"
    /** Something that is no socket lies there. */
    | "notASocket"
    | "noPermission"
    | "readOnly"
    /** The directory is missing and could not be made. */
    | "noDirectory"
    | "lock"
    /** What systemd handed over is no listening UNIX socket. */
    | "badDescriptor"
    | "other"
  /** `EACCES` and the like, or the pid of the other instance. */
  readonly detail: string
}> {}

/** An entry of `[[p11_server.rules]]` cannot be used. Nothing is served on a policy that is not understood. */
export class RuleInvalid extends Data.TaggedError("RuleInvalid")<{
  readonly path: string
  /** From 1. */
  readonly number: number
  readonly problem: /** It is no table. */
    | "noTable"
    /** Not exactly one of user, uid, group and gid. */
    | "who"
    /** There is no such user or group here. */
    | "unknownName"
    | "operations"
    | "uri"
    | "unknownKey"
  /** What is there. */
  readonly found: string
}> {}

/** The socket cannot be given to this group. */
export class GroupUnknown extends Data.TaggedError("GroupUnknown")<{ readonly name: string }> {}

/** The file that should hold the PIN does not. */
export class PinFileUnusable extends Data.TaggedError("PinFileUnusable")<{
  readonly path: string
  /** `noCredential`: the unit has credentials, and not this one. */
  readonly reason: "unreadable" | "empty" | "tooLong" | "notText" | "noCredential"
  /** `EACCES` and the like. */
  readonly code: string
}> {}

/** The file was there when the settings were read last: what it said is not taken back by its absence. */
export class ConfigFileGone extends Data.TaggedError("ConfigFileGone")<{ readonly path: string }> {}

export type ServerStartRefusal = ListenFailed | RuleInvalid | GroupUnknown | PinFileUnusable | ConfigFileGone
