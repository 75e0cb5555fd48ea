/**
 * What Linux offers and Node does not, through dist/unix.node (native/unix).
 *
 * Every function throws AddonNotLoaded when the add-on is missing, and an Error with Node's `code` and `syscall` when
 * the system call fails.
 */
import type { Socket } from "node:net"
import { getSystemErrorName } from "node:util"
import { loadAddon } from "./addon-file.ts"

export interface PeerCredentials {
  readonly pid: number
  readonly uid: number
  readonly gid: number
}

/** Who connected to our UNIX socket: as of the moment it connected. */
export const peerCredentials = (socket: Socket): PeerCredentials => {
  const answer = unixAddon().peerCredentials(descriptorOf(socket))
  if (typeof answer === "number") throw systemError("getsockopt", answer)
  const [pid, uid, gid] = answer
  return { pid, uid, gid }
}

/** flock(2), exclusive, without waiting. False: another process has it. It ends with the descriptor. */
export const tryLock = (descriptor: number): boolean => {
  const error = unixAddon().lock(descriptor)
  if (error !== 0 && getSystemErrorName(-error) !== "EAGAIN") throw systemError("flock", error)
  return error === 0
}

export const unlock = (descriptor: number): void => succeed("flock", unixAddon().unlock(descriptor))

/**
 * Tells the service manager: `READY=1`, `WATCHDOG=1`, `STATUS=...` (sd_notify(3)).
 * `address` is NOTIFY_SOCKET: a path, or '@' and an abstract name. Never waits; a full socket is an EAGAIN.
 */
export const notifyManager = (address: string, state: string): void =>
  succeed("sendto", unixAddon().notify(address, state))

/**
 * SIGKILL for this process as soon as its parent ends, however it ends and whatever we are blocked in.
 * `parent` is the process id we were started by. False: it is gone already.
 * Linux means the parent's thread: a parent must spawn from a thread that lives as long as it does.
 */
export const endWithParent = (parent: number): boolean => {
  const error = unixAddon().endWithParent(parent)
  if (error !== 0 && getSystemErrorName(-error) !== "ESRCH") throw systemError("prctl", error)
  return error === 0
}

/**
 * Takes secrets off the command line that `ps` shows. A value is found as an argument of its own (`--pin VALUE`) and
 * after an '=' (`--pin=VALUE`, `?pin-value=VALUE`); give it as it was typed, percent-encoding included.
 * Answers how many places were blanked.
 */
export const blankArguments = (values: ReadonlyArray<string>): number =>
  values.reduce((found, value) => found + unixAddon().blankArgument(value), 0)

interface UnixAddon {
  /** Numbers alone are errnos, 0 is success. */
  readonly peerCredentials: (descriptor: number) => readonly [pid: number, uid: number, gid: number] | number
  readonly lock: (descriptor: number) => number
  readonly unlock: (descriptor: number) => number
  readonly notify: (address: string, message: string) => number
  readonly endWithParent: (parent: number) => number
  readonly blankArgument: (value: string) => number
}

const unixAddon = (): UnixAddon => {
  loaded.addon ??= loadAddon("unix") as UnixAddon
  return loaded.addon
}

const loaded: { addon?: UnixAddon } = {}

/** Node keeps the descriptor of a socket in a field it does not document; without one, -1 makes the call fail. */
const descriptorOf = (socket: Socket): number =>
  (socket as { readonly _handle?: { readonly fd?: number } })._handle?.fd ?? -1

const succeed = (syscall: string, error: number): void => {
  if (error !== 0) throw systemError(syscall, error)
}

const systemError = (syscall: string, error: number): Error => {
  const code = getSystemErrorName(-error)
  return Object.assign(new Error(`${syscall}: ${code}`), { code, syscall, errno: -error })
}
