/** Reads the end of a log file. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs"

/** The last line that reports an error, without time, level and target. Undefined: none in the last 16 KiB. */
export const lastErrorIn = (path: string): string | undefined =>
  tailOf(path)
    .split("\n")
    .reverse()
    .map((line) => /^(?:\S+Z +)?(?:ERROR [\w-]+: |error: )(.+)$/.exec(line)?.[1])
    .find((text) => text !== undefined)

const tailOf = (path: string): string => {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const { size } = fstatSync(file)
    const tail = Buffer.alloc(Math.min(size, 16 * 1024))
    return tail.toString("utf8", 0, readSync(file, tail, 0, tail.length, size - tail.length))
  } finally {
    closeSync(file)
  }
}
