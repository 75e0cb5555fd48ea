/**
 * What Linux offers and Node does not, through dist/unix.node (native/unix).
 *
 * Every function throws AddonNotLoaded when the add-on is missing, and an Error with Node's `code` and `syscall` when
 * the system call fails.
 */
import { constants } from "node:os"
import { getSystemErrorName } from "node:util"
import { loadAddon } from "./addon-file.ts"

interface PeerCredentials {
  readonly pid: number
  readonly uid: number
  readonly gid: number
  /** Supplementary groups (SO_PEERGROUPS); undefined when the kernel would not say (before Linux 4.13). */
  readonly groups: ReadonlyArray<number> | undefined
}

/** A listening UNIX socket at a path that is free. The descriptor is the caller's to close. */
export const listenUnix = (path: string): number => succeeded("listen", unixAddon().listen(path))

/** Makes an inherited listening UNIX socket ready for `acceptUnix`. Refuses any other descriptor. */
export const adoptListener = (descriptor: number): void => succeed("listen", unixAddon().adoptListener(descriptor))

/** A socket on which the kernel reports addresses and routes that come and go (rtnetlink(7)). The caller closes it. */
export const openNetlink = (): number => succeeded("socket", unixAddon().openNetlink())

/** A timer that can be read once the wall clock was set: by `clockWasSet`. The caller closes it. */
export const openClock = (): number => succeeded("timerfd_create", unixAddon().openClock())

/** Since it was asked last. */
export const clockWasSet = (clock: number): boolean => unixAddon().clockWasSet(clock) === 1

export interface Accepted {
  readonly descriptor: number
  /** As of the moment it connected; undefined when the kernel would not say. */
  readonly peer: PeerCredentials | undefined
}

/** The next client, or undefined when none waits. */
export const acceptUnix = (listener: number): Accepted | undefined => {
  const answer = unixAddon().accept(listener)
  if (typeof answer === "number") {
    if (isForLater(answer)) return undefined
    throw systemError("accept", -answer)
  }
  const [descriptor, pid, uid, gid, groups] = answer
  return { descriptor, peer: pid > 0 ? { pid, uid, gid, groups } : undefined }
}

/** How many bytes came, 0 at the end; undefined when there are none now. */
export const receive = (descriptor: number, into: Uint8Array): number | undefined => {
  const got = unixAddon().receive(descriptor, into)
  return isForLater(got) ? undefined : succeeded("recv", got)
}

/** How many bytes were taken; undefined when there is no room now. */
export const send = (descriptor: number, bytes: Uint8Array): number | undefined => {
  const sent = unixAddon().send(descriptor, bytes)
  return isForLater(sent) ? undefined : succeeded("send", sent)
}

/**
 * Calls back with descriptors at which something has changed since it was told last (edge-triggered): read, write or
 * accept until there is no more. Closing a descriptor ends the watching of it.
 */
export interface Readiness {
  readonly watch: (descriptor: number, purpose: "reading" | "writing") => void
  readonly close: () => void
}

export const openReadiness = (onReady: (descriptors: ReadonlyArray<number>) => void): Readiness => {
  const addon = unixAddon()
  const opened = addon.openReadiness(onReady)
  if (typeof opened === "number") throw systemError("epoll_create1", opened)
  return {
    watch: (descriptor, purpose) => succeed("epoll_ctl", addon.watch(opened, descriptor, purpose === "writing")),
    close: () => addon.closeReadiness(opened)
  }
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
 * SIGALRM ends this process two seconds after its parent ends, however that ends and whatever we are blocked in: time for
 * an end of our own, which the end of a pipe from the parent asks for.
 * `parent` is the process id we were started by. False: it is gone already.
 * Linux means the parent's thread: a parent must spawn from a thread that lives as long as it does.
 */
export const endWithParent = (parent: number): boolean => {
  const error = unixAddon().endWithParent(parent)
  if (error !== 0 && getSystemErrorName(-error) !== "ESRCH") throw systemError("prctl", error)
  return error === 0
}

/**
 * Where a symbolic link leads: of the link that was opened (O_PATH | O_NOFOLLOW), not of its name, under which another
 * may lie by now. Node has readlink(2) by name only.
 */
export const readOpenLink = (descriptor: number): string => {
  const answer = unixAddon().readLink(descriptor)
  if (typeof answer === "number") throw systemError("readlink", -answer)
  return answer.toString("utf8")
}

/**
 * Another user for good, in all the groups of that name; an empty name: in `gid` alone. Node's own calls are refused by a
 * Node that uses the system's libuv (Debian 13's).
 */
export const becomeUserNow = (name: string, uid: number, gid: number): void =>
  succeed("setuid", unixAddon().becomeUser(name, uid, gid))

/** No core file of this process, nor of those it starts from now on: a crash would write its memory to a disk. */
export const keepNoCore = (): void => succeed("setrlimit", unixAddon().keepNoCore())

/** A full garbage collection, tens of milliseconds long. False: this Node does not offer it to add-ons. */
export const collectAll = (): boolean => unixAddon().collectAll()

/** Gives back to the kernel what malloc holds and nothing uses (malloc_trim(3)). */
export const trimMalloc = (): void => unixAddon().trimMalloc()

/** Takes the pages of Node's own code out of this process; what runs again comes from the page cache. */
export const dropProgramText = (): void => unixAddon().dropProgramText()

/**
 * Takes secrets off the command line that `ps` shows. A value is found as an argument of its own (`--pin VALUE`) and
 * after an '=' (`--pin=VALUE`, `?pin-value=VALUE`); give it as it was typed, percent-encoding included.
 * Answers how many places were blanked.
 */
export const blankArguments = (values: ReadonlyArray<string>): number =>
  values.reduce((found, value) => found + unixAddon().blankArgument(value), 0)

interface UnixAddon {
  /** Below 0: a negative errno. */
  readonly listen: (path: string) => number
  readonly accept: (
    listener: number
  ) => readonly [descriptor: number, pid: number, uid: number, gid: number, groups?: ReadonlyArray<number>] | number
  readonly receive: (descriptor: number, into: Uint8Array) => number
  readonly send: (descriptor: number, bytes: Uint8Array) => number
  readonly openNetlink: () => number
  readonly openClock: () => number
  readonly clockWasSet: (clock: number) => number
  /** Numbers alone are errnos, 0 is success. */
  readonly adoptListener: (descriptor: number) => number
  readonly openReadiness: (onReady: (descriptors: ReadonlyArray<number>) => void) => object | number
  readonly watch: (readiness: object, descriptor: number, forWriting: boolean) => number
  readonly closeReadiness: (readiness: object) => void
  readonly lock: (descriptor: number) => number
  readonly unlock: (descriptor: number) => number
  readonly notify: (address: string, message: string) => number
  readonly endWithParent: (parent: number) => number
  readonly readLink: (descriptor: number) => Buffer | number
  readonly becomeUser: (name: string, uid: number, gid: number) => number
  readonly keepNoCore: () => number
  readonly collectAll: () => boolean
  readonly trimMalloc: () => void
  readonly dropProgramText: () => void
  readonly blankArgument: (value: string) => number
}

const unixAddon = (): UnixAddon => {
  loaded.addon ??= loadAddon("unix") as UnixAddon
  return loaded.addon
}

const loaded: { addon?: UnixAddon } = {}

const isForLater = (answer: number): boolean => answer === -constants.errno.EAGAIN

const succeeded = (syscall: string, answer: number): number => {
  if (answer < 0) throw systemError(syscall, -answer)
  return answer
}

const succeed = (syscall: string, error: number): void => {
  if (error !== 0) throw systemError(syscall, error)
}

const systemError = (syscall: string, error: number): Error => {
  const code = getSystemErrorName(-error)
  return Object.assign(new Error(`${syscall}: ${code}`), { code, syscall, errno: -error })
}
