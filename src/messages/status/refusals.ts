/** Why `tedge status` cannot tell how something is, or that it does not run. */
import { Data } from "effect"
import type { CloudName } from "../settings/setting.ts"

/** Nothing of what was asked for is configured on this device. */
export class NothingConnected extends Data.TaggedError("NothingConnected")<{
  readonly cloud: CloudName | undefined
  readonly profile: string | undefined
}> {}

/** The user who asks is neither root nor in the group of the service. */
export class StatusForbidden extends Data.TaggedError("StatusForbidden")<{
  readonly service: string
  /** Its socket. */
  readonly path: string
}> {}

/** The user who asks may not read the settings, and no service that runs may be asked. */
export class StatusSettingsForbidden extends Data.TaggedError("StatusSettingsForbidden")<{
  readonly path: string
}> {}

/** The service runs, and does not answer in time. */
export class StatusTimedOut extends Data.TaggedError("StatusTimedOut")<{
  readonly service: string
  readonly afterMs: number
  /** Where a person finds out more: a command, or a file. */
  readonly log: string | undefined
}> {}

/** The service runs, and does not show what it does. */
export class StatusNotShown extends Data.TaggedError("StatusNotShown")<{
  readonly service: string
  /** Its answer, or how its socket failed. */
  readonly detail: string
  /** `busy`: it has as many clients as it takes. `noSocket`: nothing listens. `cutOff`: it closed the connection. */
  readonly reason: "otherVersion" | "busy" | "noSocket" | "cutOff" | "other"
  /** Where a person finds out more: a command, or a file. */
  readonly log: string | undefined
}> {}

/** The service does not run. */
export class ServiceDown extends Data.TaggedError("ServiceDown")<{
  readonly service: string
  /** What the service manager says: `inactive`, `failed`; undefined: nothing. */
  readonly state: string | undefined
  /** Undefined: the service has no unit, or belongs to no connection. */
  readonly startedBy: string | undefined
}> {}

/** `tedge status --web` shows the device without a login: it listens on loopback addresses only. */
export class ListenRefused extends Data.TaggedError("ListenRefused")<{
  readonly address: string
  readonly reason: "notLoopback" | "malformed"
}> {}

/** The address of `tedge status --web` cannot be listened on. */
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
