/**
 * Drops root permanently: from here on the process is another user, with all groups of that user.
 *
 * Node's own `uid` option of a child drops the supplementary groups, without which a service's user reaches neither a
 * TPM nor SoftHSM's tokens. Source: setgroups(2), credentials(7).
 */
import { becomeUserNow } from "../native/unix-addon.ts"

export interface UserIds {
  /** As in passwd(5), or a number without an entry there. */
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** Throws the kernel's error, or that the add-on is missing; the process must not continue then. */
export const becomeUser = ({ name, uid, gid }: UserIds): void => {
  becomeUserNow(/^\d+$/.test(name) ? "" : name, uid, gid)
  if (process.getuid?.() !== uid || process.geteuid?.() !== uid || process.getegid?.() !== gid)
    throw new Error(`still user ${process.geteuid?.()}`)
}

/** As an argument of a child process. No name contains a colon (passwd(5)). */
export const printUser = ({ name, uid, gid }: UserIds): string => `${name}:${uid}:${gid}`

/** Undefined: none was given. */
export const givenUser = (text: string): UserIds | undefined => {
  const [name, uid, gid] = text.split(":")
  return name === undefined || name === "" ? undefined : { name, uid: Number(uid), gid: Number(gid) }
}

/** Variables of the caller's environment that refer to its home or its session. */
export const environmentOf = (
  environment: Readonly<Record<string, string | undefined>>,
  user: UserIds & { readonly home: string }
): Record<string, string | undefined> => {
  const {
    TMPDIR: _tmp,
    XDG_RUNTIME_DIR: _runtime,
    XDG_CONFIG_HOME: _config,
    XDG_CACHE_HOME: _cache,
    DBUS_SESSION_BUS_ADDRESS: _bus,
    SUDO_USER: _sudo,
    MAIL: _mail,
    ...rest
  } = environment
  // An io_uring that libuv created before the switch would keep root's rights (CVE-2024-22017).
  return { ...rest, HOME: user.home, USER: user.name, LOGNAME: user.name, UV_USE_IO_URING: "0" }
}
