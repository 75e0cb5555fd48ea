/**
 * What the operating system, or our own add-ons, may refuse. Not the words of one actor: several meet them.
 */
import { Data } from "effect"

/** A native add-on cannot be used: it was not built, or this Node is not one it can run in. */
export class AddonNotLoaded extends Data.TaggedError("AddonNotLoaded")<{
  readonly addon: "tls" | "unix"
  /** The compiler's, the linker's or the add-on's own words. */
  readonly reason: string
}> {}

/** Another process holds the lock. */
export class LockHeld extends Data.TaggedError("LockHeld")<{
  readonly path: string
  /** Undefined: its holder wrote none. */
  readonly pid: number | undefined
}> {}

/** The lock file cannot be opened or locked at all. */
export class LockUnavailable extends Data.TaggedError("LockUnavailable")<{
  readonly path: string
  /**
   * `EACCES`, `ENOENT`, `ENOLCK` and the like; `addon` when the add-on is missing; `owner` when another user made the
   * file beforehand in a directory of everybody's, `detail` names that user then.
   */
  readonly code: string
  readonly detail: string
}> {}

/** system.toml cannot be used. */
export class SystemFileInvalid extends Data.TaggedError("SystemFileInvalid")<{
  readonly path: string
  /** `untrusted`: others than root can write it; `detail` says who. */
  readonly problem?: "syntax" | "untrusted"
  readonly detail: string
}> {}

/** system.toml names a user or group that does not exist. */
export class ServiceUserUnknown extends Data.TaggedError("ServiceUserUnknown")<{
  readonly what: "user" | "group"
  readonly name: string
  /** Of system.toml. */
  readonly path: string
}> {}

/** What is worth telling of a file that was written. */
export type FileNote =
  /** A link lay there that another user had made; its target is as it was. */
  | { readonly kind: "linkReplaced"; readonly uid: number; readonly target: string }
  /** It is a mount point of its own and could not be renamed over. */
  | { readonly kind: "writtenInPlace" }
  /** A secret is in it, and the file system keeps no modes: others can read it. */
  | { readonly kind: "modeNotKept"; readonly mode: number }
  /** The services' user may not read it: `closed` is on the way, or the file itself. */
  | { readonly kind: "closedToServices"; readonly user: string; readonly closed: string; readonly needs: "r" | "x" }
  /** It stays its owner's: it lies in a directory that is not the services'. */
  | {
      readonly kind: "notGiven"
      readonly owner: string
      readonly reason: "directory" | "otherNames" | "noFile" | "content"
    }

/** A file or device node that the user who loads the PKCS#11 module, or who asks the signing service, may not use. */
export interface ClosedToUser {
  readonly user: string
  /** `caller`: the user who runs the command. `services`: the user of system.toml, whom token hosts started by root become. */
  readonly who: "caller" | "services"
  readonly path: string
  /** On the way to it, or the path itself. */
  readonly closed: string
  readonly needs: "r" | "rw" | "x" | "rwx"
  /** Its members may; undefined: there is no such group, or it is root's. */
  readonly group: string | undefined
  /** The user is in that group by now; the session began before. */
  readonly isMember: boolean
  readonly isToken: boolean
}

/** An HTTP proxy gave no way to a host. Explained by its caller. */
export class TunnelRefused extends Data.TaggedError("TunnelRefused")<{
  /** The status of the proxy's answer (`407`), or the code of what kept it from answering (`ECONNREFUSED`). */
  readonly code: string
  readonly detail: string
}> {}

export type PlatformRefusal = AddonNotLoaded | LockHeld | LockUnavailable | SystemFileInvalid | ServiceUserUnknown
