/** Reasons for which `tedge status` has no status to show. */
import { Data } from "effect"
import type { CloudName } from "../settings/setting.ts"

/** None of what was named is configured on this device. */
export class NothingConnected extends Data.TaggedError("NothingConnected")<{
  readonly cloud: CloudName | undefined
  readonly profile: string | undefined
}> {}

/** The calling user is neither root nor in the group of the service. */
export class StatusForbidden extends Data.TaggedError("StatusForbidden")<{
  readonly service: string
  /** Its socket. */
  readonly path: string
  /** Whose members may use it; undefined: none, or unknown. */
  readonly group: string | undefined
}> {}

/** The calling user may read neither the settings nor the socket of a running service. */
export class StatusSettingsForbidden extends Data.TaggedError("StatusSettingsForbidden")<{
  readonly path: string
  /** As of StatusForbidden. */
  readonly group: string | undefined
}> {}

/** The service runs, but does not respond in time. */
export class StatusTimedOut extends Data.TaggedError("StatusTimedOut")<{
  readonly service: string
  readonly afterMs: number
  /** Where to find out more: a command, or a file. */
  readonly log: string | undefined
}> {}

/** The service runs, but does not report its status. */
export class StatusNotShown extends Data.TaggedError("StatusNotShown")<{
  readonly service: string
  /** Its response, or how its socket failed. */
  readonly detail: string
  /** `busy`: its client limit is reached. `noSocket`: nothing listens. `closed`: it closed the connection. */
  readonly reason: "otherVersion" | "busy" | "noSocket" | "closed" | "other"
  /** Where to find out more: a command, or a file. */
  readonly log: string | undefined
}> {}

/** The service does not run. */
export class ServiceDown extends Data.TaggedError("ServiceDown")<{
  readonly service: string
  /** State reported by the service manager: `inactive`, `failed`; undefined: none. */
  readonly state: string | undefined
  /** Undefined: the service has no unit, or belongs to no connection. */
  readonly startedBy: string | undefined
}> {}

/** `tedge status --web` has no login: it listens on loopback addresses only. */
export class ListenRefused extends Data.TaggedError("ListenRefused")<{
  readonly address: string
  readonly reason: "notLoopback" | "malformed"
}> {}

/** Listening on the address of `tedge status --web` failed. */
export class PageNotServed extends Data.TaggedError("PageNotServed")<{
  readonly address: string
  /** `EADDRINUSE`, `EACCES`. */
  readonly code: string
}> {}

export type PageRefusal = ListenRefused | PageNotServed

export type StatusRefusal =
  | PageRefusal
  | NothingConnected
  | StatusForbidden
  | StatusSettingsForbidden
  | StatusTimedOut
  | StatusNotShown
  | ServiceDown
