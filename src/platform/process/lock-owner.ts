/**
 * Who has a lock: first as the kernel says it, then as the lock file does. A second start of thin-edge.io's mapper empties
 * the file of the first before it is refused the lock.
 */
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync
} from "node:fs"
import { readRegularText } from "../files/read-file.ts"
import { tryLock } from "../native/unix-addon.ts"
import { errorCode } from "./error-code.ts"

/**
 * The process; undefined: the lock is free, or its holder cannot be seen. The lock is not taken to find out: that would
 * keep a service that is just starting from it.
 */
export const lockOwner = (path: string): number | undefined => {
  try {
    const file = realpathSync(path)
    return kernelsOwner(file) ?? writtenOwner(file)
  } catch {
    return undefined // no such file, or none that may be looked at
  }
}

/**
 * Whether anybody has it, also a process that cannot be seen (in another container). It takes the lock for a moment: only
 * for a lock without an owner that can be seen, and where no service is expected to start.
 */
export const isLocked = (path: string): boolean => {
  try {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      return !tryLock(descriptor)
    } finally {
      closeSync(descriptor)
    }
  } catch {
    return false // no such file, none that may be opened, or no add-on
  }
}

/**
 * From proc_locks(5). Some file systems (overlay, btrfs) name another device there than stat does: then the inode counts
 * only with a process that has the file open.
 */
const kernelsOwner = (path: string): number | undefined => {
  const { dev, ino } = statSync(path)
  const device = `${hex(major(dev))}:${hex(minor(dev))}`
  const owners = [...readProc("/proc/locks").matchAll(/^\d+: FLOCK +\S+ +\S+ (\d+) (\w+:\w+):(\d+) /gm)]
    .filter(([, , , inode]) => Number(inode) === ino)
    .map(([, pid, on]) => ({ pid: Number(pid), isSure: on === device }))
  // One that has ended may have left the lock to a child of its own.
  return owners.find(({ pid, isSure }) => (isSure ? existsSync(`/proc/${pid}`) : isOpenIn(pid, path) === true))?.pid
}

/** Without a lock in the kernel's list, which does not show those of other containers. */
const writtenOwner = (path: string): number | undefined => {
  const pid = Number(readRegularText(path).trim())
  return Number.isSafeInteger(pid) && pid > 1 && (isOpenIn(pid, path) ?? true) ? pid : undefined
}

/** Undefined: a process of another user, which shows no more than that it is there. Source: proc_pid_fd(5). */
const isOpenIn = (pid: number, path: string): boolean | undefined => {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((descriptor) => linkOf(`/proc/${pid}/fd/${descriptor}`) === path)
  } catch (error) {
    return errorCode(error) === "EACCES" || errorCode(error) === "EPERM" ? undefined : false
  }
}

const linkOf = (path: string): string | undefined => {
  try {
    return readlinkSync(path)
  } catch {
    return undefined // closed meanwhile
  }
}

const readProc = (path: string): string => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return "" // a container that hides it
  }
}

const hex = (part: number): string => part.toString(16).padStart(2, "0")

/** As makedev(3) of Linux puts them together, below 2^32. */
const major = (dev: number): number => (dev >>> 8) & 0xfff
const minor = (dev: number): number => (dev & 0xff) | ((dev >>> 12) & 0xfff00)
