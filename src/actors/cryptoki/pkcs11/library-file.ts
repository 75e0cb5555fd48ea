/**
 * Checks that a file is a shared library that this program can load, and why not.
 */
import { accessSync, closeSync, constants, openSync, readSync, statSync } from "node:fs"

/** The library could not be loaded. */
export class LoadFault extends Error {
  override readonly name = "LoadFault"
  readonly reason: LoadReason
  constructor(reason: LoadReason, detail: string) {
    super(detail)
    this.reason = reason
  }
}

export type LoadReason =
  | "missing"
  | "noPermission"
  | "notAModule"
  | "wrongArchitecture"
  | "pkcs11jsMissing"
  /** The process could not become the user that loads modules. */
  | "notItsUser"
  /** The device node that it opens is closed to this process by a sandbox, whatever its user. */
  | "deviceClosed"
  | "other"

/** pkcs11js must not load anything but a library: it would crash. */
export const checkLibrary = (path: string): void => {
  try {
    if (!statSync(path).isFile()) throw new LoadFault("notAModule", "it is no file")
    accessSync(path, constants.R_OK)
  } catch (error) {
    if (error instanceof LoadFault) throw error
    const code = error instanceof Error && "code" in error ? error.code : undefined
    if (code === "ENOENT" || code === "ENOTDIR") throw new LoadFault("missing", "no such file")
    if (code === "EACCES" || code === "EPERM") throw new LoadFault("noPermission", "permission denied")
    throw new LoadFault("other", error instanceof Error ? error.message : String(error))
  }
  const own = ownElfHeader()
  const its = elfHeader(path)
  if (its === undefined) throw new LoadFault("notAModule", "it is no shared library")
  if (own !== undefined && own !== its) throw new LoadFault("wrongArchitecture", `ELF ${its}, this program is ${own}`)
}

/** Undefined if this user may not read its own program (a Node in a directory of root): nothing is compared then. */
const ownElfHeader = (): string | undefined => {
  try {
    return elfHeader(process.execPath)
  } catch {
    return undefined
  }
}

/** Class, byte order and machine of an ELF file; undefined if it is not one. */
const elfHeader = (path: string): string | undefined => {
  const header = firstBytes(path, 20) // Node itself has a hundred megabytes
  if (header.length < 20 || header.readUInt32BE(0) !== 0x7f454c46) return undefined
  const machine = header[5] === 2 ? header.readUInt16BE(18) : header.readUInt16LE(18)
  return `class ${header[4]} order ${header[5]} machine ${machine}`
}

const firstBytes = (path: string, most: number): Buffer => {
  const bytes = Buffer.alloc(most)
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    return bytes.subarray(0, readSync(file, bytes, 0, most, 0))
  } finally {
    closeSync(file)
  }
}
