/**
 * Refusals of the operating system and of our own add-ons, shared by several actors.
 */
import { Data } from "effect"

/** A native add-on is unusable: not built, or incompatible with this Node. */
export class AddonNotLoaded extends Data.TaggedError("AddonNotLoaded")<{
  readonly addon: "tls" | "unix"
  /** Message of the compiler, the linker or the add-on. */
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
   * `EACCES`, `ENOENT`, `ENOLCK` and the like; `addon` if the add-on is missing; `owner` if another user created the
   * file beforehand in a world-writable directory; `detail` then names that user.
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
  /** From system.toml. */
  readonly path: string
}> {}

/** Notes on a file that was written. */
export type FileNote =
  /** It replaced another user's symlink, whose target is unchanged. */
  | { readonly kind: "linkReplaced"; readonly uid: number; readonly target: string }
  /** It is a mount point itself and could not be renamed over. */
  | { readonly kind: "writtenInPlace" }
  /** It contains a secret, and the file system has no modes: others can read it. */
  | { readonly kind: "modeNotKept"; readonly mode: number }
  /** The services' user may not read it: `closed` is a directory of its path, or the file itself. `isPublic`: it may be world-readable. */
  | {
      readonly kind: "closedToServices"
      readonly user: string
      readonly closed: string
      readonly needs: "r" | "x"
      readonly isPublic: boolean
    }
  /** Its owner is unchanged: it is in a directory that is not the services'. */
  | {
      readonly kind: "notGiven"
      readonly owner: string
      readonly reason: "directory" | "otherNames" | "noFile" | "content"
    }

/** A file or device node that the user who loads the PKCS#11 module, or who connects to the signing service, may not use. */
export interface ClosedToUser {
  readonly user: string
  /** `caller`: the user who runs the command. `services`: the user of system.toml, whom token hosts started by root become. */
  readonly who: "caller" | "services"
  readonly path: string
  /** A directory of its path, or the path itself. */
  readonly closed: string
  readonly needs: "r" | "rw" | "x" | "rwx"
  /** Its members may; undefined: no such group, or root's. */
  readonly group: string | undefined
  /** The user is now in that group; the session started before. */
  readonly isMember: boolean
  readonly isToken: boolean
}

/** An HTTP proxy refused to connect to a host. Explained by its caller. */
export class TunnelRefused extends Data.TaggedError("TunnelRefused")<{
  /** The status of the proxy's response (`407`), or the code of the error that prevented one (`ECONNREFUSED`). */
  readonly code: string
  readonly detail: string
}> {}

export type PlatformRefusal = AddonNotLoaded | LockHeld | LockUnavailable | SystemFileInvalid | ServiceUserUnknown
