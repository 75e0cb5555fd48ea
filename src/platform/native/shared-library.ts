/** Whether a file is a shared library that this program can load, and why not. */
import { accessSync, closeSync, constants, openSync, readSync, statSync } from "node:fs"
import { codeOf, fileFault, messageOf } from "../process/error-code.ts"

interface LibraryFault {
  readonly reason: "missing" | "noPermission" | "notAModule" | "wrongArchitecture" | "other"
  readonly detail: string
}

/** Undefined: it is one. Anything else must not be loaded: dlopen(3), or the caller of its functions, would crash. */
export const libraryFault = (path: string): LibraryFault | undefined => {
  try {
    if (!statSync(path).isFile()) return { reason: "notAModule", detail: "it is no file" }
    accessSync(path, constants.R_OK)
  } catch (error) {
    const fault = fileFault(codeOf(error))
    if (fault === "missing") return { reason: fault, detail: "no such file" }
    if (fault === "noPermission") return { reason: fault, detail: "permission denied" }
    return { reason: "other", detail: messageOf(error) }
  }
  const own = ownElfHeader()
  const its = elfHeader(path)
  if (its === undefined) return { reason: "notAModule", detail: "it is no shared library" }
  if (own !== undefined && own !== its)
    return { reason: "wrongArchitecture", detail: `ELF ${its}, this program is ${own}` }
  return undefined
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
