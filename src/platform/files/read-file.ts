/**
 * Reads files in directories of other users. Opening a named pipe in place of a file would wait for a writer, and block
 * root's command indefinitely.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from "node:fs"

/** Throws the error of open(2) or read(2), EISDIR, or the code "no regular file". */
export const readRegularFile = (path: string, flags = 0): Buffer => {
  const file = openSync(path, withoutWaiting | flags)
  try {
    const status = fstatSync(file)
    if (!status.isFile()) throw notRegular(path, status.isDirectory())
    return readFileSync(file)
  } finally {
    closeSync(file)
  }
}

export const readRegularText = (path: string): string => readRegularFile(path).toString("utf8")

/** The text of a regular file; undefined if it is missing or not readable. */
export const textIfReadable = (path: string): string | undefined => {
  try {
    return readRegularText(path)
  } catch {
    return undefined
  }
}

/** For a path that the user typed: also accepts what the shell passes, `<(command)` or /dev/stdin. */
export const readGivenFile = (path: string): Buffer => {
  const isPipe = statSync(path, { throwIfNoEntry: false })?.isFIFO() === true
  return isPipe && /^\/(dev\/(stdin|fd\/\d+)|proc\/self\/fd\/\d+)$/.test(path)
    ? readFileSync(path)
    : readRegularFile(path)
}

export const withoutWaiting = constants.O_RDONLY | constants.O_NONBLOCK

export const notRegular = (path: string, isDirectory: boolean): Error =>
  Object.assign(new Error(`${path} is no regular file`), { code: isDirectory ? "EISDIR" : "no regular file" })
