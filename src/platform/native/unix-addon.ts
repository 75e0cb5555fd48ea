/**
 * Linux system calls that Node lacks, through dist/unix.node (native/unix).
 *
 * Every function throws AddonNotLoaded when the add-on is missing, and an Error with Node's `code` and `syscall` when
 * the system call fails.
 */
import { constants } from "node:os"
import { getSystemErrorName } from "node:util"
import { loadAddon } from "./addon-file.ts"

/** Creates a listening UNIX socket at an unused path. The caller closes the descriptor. */
export const listenUnix = (path: string): number => succeeded("listen", unixAddon().listen(path))

/** Prepares an inherited listening UNIX socket for `acceptUnix`. Refuses any other descriptor. */
export const adoptListener = (descriptor: number): void => succeed("listen", unixAddon().adoptListener(descriptor))

/** A socket on which the kernel reports new and removed addresses and routes (rtnetlink(7)). The caller closes it. */
export const openNetlink = (): number => succeeded("socket", unixAddon().openNetlink())

/** A timer that becomes readable when the wall clock is set: see `clockWasSet`. The caller closes it. */
export const openClock = (): number => succeeded("timerfd_create", unixAddon().openClock())

/** Since the last call. */
export const clockWasSet = (clock: number): boolean => unixAddon().clockWasSet(clock) === 1

export interface Accepted {
  readonly descriptor: number
  /** At the time it connected; undefined if the kernel does not report it. */
  readonly peer:
    | {
        /** 0: in another PID namespace, as a process of another container. */
        readonly pid: number
        readonly uid: number
        readonly gid: number
        /** Supplementary groups (SO_PEERGROUPS); undefined if the kernel does not report them (before Linux 4.13). */
        readonly groups: ReadonlyArray<number> | undefined
      }
    | undefined
}

/** The next client, or undefined if none waits. */
export const acceptUnix = (listener: number): Accepted | undefined => {
  const answer = unixAddon().accept(listener)
  if (typeof answer === "number") {
    if (isForLater(answer)) return undefined
    throw systemError("accept", -answer)
  }
  const [descriptor, pid, uid, gid, groups] = answer
  return { descriptor, peer: pid >= 0 ? { pid, uid, gid, groups } : undefined }
}

/** Number of bytes read, 0 at the end; undefined if none are available now. */
export const receive = (descriptor: number, into: Uint8Array): number | undefined => {
  const got = unixAddon().receive(descriptor, into)
  return isForLater(got) ? undefined : succeeded("recv", got)
}

/** Number of bytes written; undefined if there is no room now. */
export const send = (descriptor: number, bytes: Uint8Array): number | undefined => {
  const sent = unixAddon().send(descriptor, bytes)
  return isForLater(sent) ? undefined : succeeded("send", sent)
}

/**
 * Calls back with descriptors that changed since the last call (edge-triggered): read, write or accept until nothing is
 * left. Closing a descriptor stops watching it.
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

/** flock(2), exclusive, non-blocking. False: held by another process. Released when the descriptor closes. */
export const tryLock = (descriptor: number): boolean => {
  const error = unixAddon().lock(descriptor)
  if (error !== 0 && getSystemErrorName(-error) !== "EAGAIN") throw systemError("flock", error)
  return error === 0
}

export const unlock = (descriptor: number): void => succeed("flock", unixAddon().unlock(descriptor))

/**
 * Notifies the service manager: `READY=1`, `WATCHDOG=1`, `STATUS=...` (sd_notify(3)).
 * `address` is NOTIFY_SOCKET: a path, or '@' and an abstract name. Non-blocking; EAGAIN if the socket is full.
 */
export const notifyManager = (address: string, state: string): void =>
  succeed("sendto", unixAddon().notify(address, state))

/**
 * SIGALRM ends this process two seconds after its parent exits, even if it is blocked: time to exit by itself, as the
 * closed pipe from the parent requests.
 * `parent` is the process id of our parent. False: it has exited already.
 * Linux means the parent's thread: a parent must spawn from a thread that lives as long as it does.
 */
export const endWithParent = (parent: number): boolean => {
  const error = unixAddon().endWithParent(parent)
  if (error !== 0 && getSystemErrorName(-error) !== "ESRCH") throw systemError("prctl", error)
  return error === 0
}

/**
 * Target of a symbolic link, read from the opened link (O_PATH | O_NOFOLLOW), not by name, which may be replaced by now.
 * Node has readlink(2) by name only.
 */
export const readOpenLink = (descriptor: number): string => {
  const answer = unixAddon().readLink(descriptor)
  if (typeof answer === "number") throw systemError("readlink", -answer)
  return answer.toString("utf8")
}

/**
 * Switches to another user permanently, with all groups of that name; empty name: `gid` only. Node's own calls are refused
 * by a Node that uses the system's libuv (Debian 13's).
 */
export const becomeUserNow = (name: string, uid: number, gid: number): void =>
  succeed("setuid", unixAddon().becomeUser(name, uid, gid))

/** Disables core files of this process and of those it starts: a crash would write its memory to a disk. */
export const keepNoCore = (): void => succeed("setrlimit", unixAddon().keepNoCore())

/** A full garbage collection, tens of milliseconds long. False: this Node does not offer it to add-ons. */
export const collectAll = (): boolean => unixAddon().collectAll()

/** Returns memory that malloc holds and nothing uses to the kernel (malloc_trim(3)). */
export const trimMalloc = (): void => unixAddon().trimMalloc()

/** Unmaps the pages of Node's own code; what runs again comes from the page cache. */
export const dropProgramText = (): void => unixAddon().dropProgramText()

/**
 * Blanks secrets in the command line that `ps` shows. A value is found as an argument of its own (`--pin VALUE`) and
 * after an '=' (`--pin=VALUE`, `?pin-value=VALUE`); pass it as typed, percent-encoding included.
 * Returns the number of places blanked.
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
