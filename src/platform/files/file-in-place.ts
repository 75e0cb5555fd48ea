/**
 * Writes a file in place, if it is a mount point itself, as a container's tedge.toml is.
 *
 * The old content is kept in memory and restored if a step fails. Not safe against a crash of the machine during the
 * write, a single one of some kilobytes.
 */
import { closeSync, constants, openSync, readFileSync } from "node:fs"
import { attempt, type FileCalls, give, type Owner, writeAll } from "./file-calls.ts"
import { type Place, PlaceNotFound } from "./file-place.ts"

interface InPlace {
  readonly content: Buffer
  readonly mode: number
  readonly owner: Owner | undefined
}

/** Throws the error of the failed call; the old content is restored. */
export const writeInPlace = ({ at, name, present }: Place, { content, mode, owner }: InPlace, calls: FileCalls) => {
  const file = calls.openSync(at(name), constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const status = calls.fstatSync(file)
    if (!status.isFile() || status.ino !== present?.ino) throw new PlaceNotFound("ESTALE", name)
    const before = readAll(file, status.size, calls)
    try {
      overwrite(file, content, calls)
    } catch (error) {
      attempt(() => overwrite(file, before, calls)) // as long as it was, so it needs no room that it did not have
      throw error
    }
    return { ...give(file, owner, mode, calls), isInPlace: true }
  } finally {
    calls.closeSync(file)
  }
}

/** The file is on another mount than its directory. False also if that is unknown: rename will fail then. */
export const isMountPoint = ({ at, name, present }: Place): boolean => {
  if (present?.isFile() !== true) return false
  const ids = [name, "."].map((one) => mountId(at(one)))
  return ids[0] !== undefined && ids[1] !== undefined && ids[0] !== ids[1]
}

/** proc_pid_fdinfo(5). */
const mountId = (path: string): string | undefined => {
  let file: number | undefined
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    return /^mnt_id:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${file}`, "latin1"))?.[1]
  } catch {
    return undefined // not readable, or no /proc
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

const overwrite = (file: number, content: Buffer, calls: FileCalls): void => {
  writeAll(file, content, calls, 0)
  calls.ftruncateSync(file, content.length)
  calls.fsyncSync(file)
}

const readAll = (file: number, size: number, calls: FileCalls): Buffer => {
  const bytes = Buffer.alloc(size)
  let length = 0
  for (let read = -1; read !== 0 && length < size; length += read)
    read = calls.readSync(file, bytes, length, size - length, length)
  return bytes.subarray(0, length)
}
