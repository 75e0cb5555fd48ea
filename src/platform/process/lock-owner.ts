/**
 * The holder of a lock: from the kernel, else from the lock file. A second start of thin-edge.io's mapper empties the file
 * of the first before it is refused the lock.
 */
import { closeSync, constants, existsSync, openSync, readdirSync, readlinkSync, realpathSync, statSync } from "node:fs"
import { readRegularText, textIfReadable } from "../files/read-file.ts"
import { tryLock } from "../native/unix-addon.ts"
import { errorCode } from "./error-code.ts"

/**
 * The process; undefined: the lock is free, or its holder is not visible. Does not take the lock to find out: that could
 * make a service fail that is just starting.
 */
export const lockOwner = (path: string): number | undefined => {
  try {
    const file = realpathSync(path)
    return kernelsOwner(file) ?? writtenOwner(file)
  } catch {
    return undefined // missing or not accessible
  }
}

/**
 * With `unseen`: an invisible process holds it (in another container). Takes a lock without a visible owner for a moment:
 * not if a service is expected to start. Throws if that fails.
 */
export const lockHolder = (path: string): number | "unseen" | undefined =>
  lockOwner(path) ?? (isLocked(path) ? "unseen" : undefined)

const isLocked = (path: string): boolean => {
  const descriptor = openIfPresent(path)
  if (descriptor === undefined) return false
  try {
    return !tryLock(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

const openIfPresent = (path: string): number | undefined => {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined
    throw error
  }
}

/**
 * From proc_locks(5). Some file systems (overlay, btrfs) name another device there than stat does: then the inode counts
 * only for a process that has the file open.
 */
const kernelsOwner = (path: string): number | undefined => {
  const { dev, ino } = statSync(path)
  const device = `${hex(major(dev))}:${hex(minor(dev))}`
  const owners = [...(textIfReadable("/proc/locks") ?? "").matchAll(/^\d+: FLOCK +\S+ +\S+ (\d+) (\w+:\w+):(\d+) /gm)]
    .filter(([, , , inode]) => Number(inode) === ino)
    .map(([, pid, on]) => ({ pid: Number(pid), isSure: on === device }))
  // An exited process may have left the lock to a child of its own.
  return owners.find(({ pid, isSure }) => (isSure ? existsSync(`/proc/${pid}`) : isOpenIn(pid, path) === true))?.pid
}

/** If the kernel's list has no entry: it does not show locks of other containers. */
const writtenOwner = (path: string): number | undefined => {
  const pid = Number(readRegularText(path).trim())
  return Number.isSafeInteger(pid) && pid > 1 && (isOpenIn(pid, path) ?? true) ? pid : undefined
}

/** Undefined: a process of another user, of which only the existence is visible. Source: proc_pid_fd(5). */
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

const hex = (part: number): string => part.toString(16).padStart(2, "0")

/** As makedev(3) of Linux composes them, below 2^32. */
const major = (dev: number): number => (dev >>> 8) & 0xfff
const minor = (dev: number): number => (dev & 0xff) | ((dev >>> 12) & 0xfff00)
