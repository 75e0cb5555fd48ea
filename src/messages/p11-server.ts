/**
 * Protocol, events and refusals of P11ServerActor: the signing service behind a UNIX socket.
 *
 * Its clients send frames (`wire/frame1.ts`); these messages come from its own process.
 */
import { Data, type Redacted } from "effect"
import type { Ask } from "../runtime/protocol.ts"
import type { SigningTimes } from "./cryptoki.ts"
import type { Pkcs11Uri } from "./pkcs11-uri.ts"

/** An operation that a rule can allow. */
export type ServerOperation = "list" | "sign" | "public-key" | "create-key" | "init" | "change-pin" | "delete-key"

/** Allowed for every client that can open the socket. */
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

/** How a rule starts in tedge.toml. */
export const accessRuleHeader = "[[p11_server.rules]]"

/** Extends or restricts the service for one user or group. The first rule that names the client applies. */
export interface AccessRule {
  readonly who: { readonly uid: number } | { readonly gid: number }
  readonly operations: ReadonlyArray<ServerOperation>
  /** Within the service's own scope. */
  readonly scope?: Pkcs11Uri
}

/** Settings that can change at run time. */
export interface P11ServerPolicy {
  /** `device.cryptoki.uri`. */
  readonly scope: Pkcs11Uri | undefined
  /** The service's own PIN: for requests without one, and for tokens that are initialised without naming one. */
  readonly defaultPin: Redacted.Redacted<string> | undefined
  readonly rules: ReadonlyArray<AccessRule>
  readonly limits: P11ServerLimits
  /** tedge.toml exists and is unusable. It may contain scope and rules: only Ping is answered. */
  readonly unread?: SettingsUnread
}

export interface SettingsUnread {
  /** The path as given. */
  readonly path: string
  /** The system's error, if it is unreadable; undefined: not valid TOML. */
  readonly unreadable: string | undefined
}

/** The settings could not be read at the start; even root is refused. */
export class SettingsNotRead extends Data.TaggedError("SettingsNotRead")<SettingsUnread> {}

export interface P11ServerLimits {
  /** Concurrent connections; further ones are refused as busy. */
  readonly connections: number
  /** Of these, for one user other than root and the service's own. */
  readonly connectionsPerUser: number
  /** Time limit of a client for sending its request, and for reading its response, in milliseconds. */
  readonly readMs: number
  readonly writeMs: number
}

export interface P11ServerStatus {
  readonly connections: number
  /** Of these, those whose request is complete. */
  readonly answering: number
  readonly served: number
  readonly refused: number
  /** Clients that were aborted: silent, too slow, or over the size limit. */
  readonly aborted: number
}

/** Protocol of P11ServerActor. Sent by the program it runs in. */
export type P11ServerProtocol = {
  readonly Status: Ask<void, P11ServerStatus>
  /** Applies to requests from now on; those in flight keep the old policy. */
  readonly Reload: Ask<P11ServerPolicy, void>
}

/** The client; undefined if the kernel does not report it. */
export interface Client {
  readonly uid: number | undefined
  readonly gid: number | undefined
  /** Supplementary groups; undefined if the kernel does not report them. */
  readonly groups?: ReadonlyArray<number> | undefined
  readonly pid: number | undefined
  /** Owner of the subordinate id (subuid(5)) that the uid is: its wrong PINs, connections and restrictions count for that user. */
  readonly ownerUid?: number | undefined
}

/** Timeline of a request, in and out. Timestamps are of `processMonotonicMs`. */
export interface RequestTimes {
  readonly acceptedAt: number
  /** The request was complete. */
  readonly readAt: number
  readonly decodedAt: number
  /** Of a signature; undefined: refused, or another request. */
  readonly signed: SigningTimes | undefined
  /** The response was ready to be written. */
  readonly answeredAt: number
  readonly endedAt: number
}

/** From the complete request to the delivered response, in milliseconds. */
export const requestMs = ({ readAt, endedAt }: RequestTimes): number => endedAt - readAt

/** Facts for the log. They never contain a PIN, nor the signed data. */
export type P11ServerEvent =
  | {
      readonly _tag: "RequestServed"
      readonly client: Client
      readonly operation: ServerOperation
      /** Subject or result of the request, PIN redacted. */
      readonly uri: string | undefined
      readonly times: RequestTimes
      /** Choosing its scheme is not a signature. */
      readonly isSignature: boolean
    }
  | {
      readonly _tag: "RequestRefused"
      readonly client: Client
      /** Undefined: not an error of ours. */
      readonly operation: ServerOperation | undefined
      readonly uri: string | undefined
      readonly times: RequestTimes
      readonly isSignature: boolean
      /** As reported to the client. */
      readonly reason: string
      /** Concerns a right, a PIN or a change: always logged, without rate limit. */
      readonly isAudited: boolean
    }
  /** The request could not be read, or the response not be delivered. */
  | {
      readonly _tag: "ClientAborted"
      readonly client: Client
      readonly reason: "silent" | "tooLong" | "gone" | "notReading" | "tooMany"
    }
  /** The client named a module or a source of a PIN; the service never accepts those from a client. */
  | { readonly _tag: "ClientAttributeIgnored"; readonly client: Client; readonly attribute: string }
  /** Number of suppressed lines of one kind, in this period. */
  | { readonly _tag: "LinesLeftOut"; readonly kind: string; readonly count: number; readonly inMs: number }
  | { readonly _tag: "AcceptFailed"; readonly code: string }
  | { readonly _tag: "StaleSocketRemoved"; readonly path: string }

/** The client has no right to this operation. */
export class OperationNotAllowed extends Data.TaggedError("OperationNotAllowed")<{
  readonly operation: ServerOperation
  readonly uid: number | undefined
  /** The number of the rule that applies to the client, from 1; undefined: none. */
  readonly rule: number | undefined
}> {}

/** The request asks for something the service does not support. */
export class RequestNotUsable extends Data.TaggedError("RequestNotUsable")<{
  readonly what: "rsa key size" | "curve" | "SO PIN missing" | "PIN missing"
  readonly value: string | undefined
}> {}

/** The service cannot listen at this path. */
export class ListenFailed extends Data.TaggedError("ListenFailed")<{
  readonly path: string
  readonly reason: /** More than 107 bytes. */
    | "tooLong"
    /** Another instance has the lock, or responds there. */
    | "inUse"
    /** Something other than a socket exists there. */
    | "notASocket"
    | "noPermission"
    | "readOnly"
    /** The directory is missing and could not be created. */
    | "noDirectory"
    | "lock"
    /** The descriptor passed by systemd is not a listening UNIX socket. */
    | "badDescriptor"
    | "other"
  /** `EACCES` and the like, or the pid of the other instance. */
  readonly detail: string
}> {}

/** An entry of `[[p11_server.rules]]` is invalid. The service does not start with a policy it does not understand. */
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
  /** The existing ones. */
  readonly found: string
}> {}

/** The socket's group cannot be set to this one. */
export class GroupUnknown extends Data.TaggedError("GroupUnknown")<{ readonly name: string }> {}

/** The PIN file contains no PIN. */
export class PinFileUnusable extends Data.TaggedError("PinFileUnusable")<{
  readonly path: string
  /** The unit whose credential it is; undefined: it is an ordinary file. */
  readonly unit: string | undefined
  /** `noCredential`: the unit has credentials, but not this one. */
  readonly reason: "unreadable" | "empty" | "tooLong" | "notText" | "noCredential"
  /** `EACCES` and the like. */
  readonly code: string
}> {}

/** The file existed when the settings were last read: its settings are not dropped because it is missing. */
export class ConfigFileGone extends Data.TaggedError("ConfigFileGone")<{ readonly path: string }> {}

export type ServerStartRefusal = ListenFailed | RuleInvalid | GroupUnknown | PinFileUnusable | ConfigFileGone
