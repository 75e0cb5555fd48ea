/** Paths of this installation's parts, all in the directory of the running bundle. */
import { accessSync, closeSync, constants, openSync, readSync } from "node:fs"
import { delimiter, dirname, join } from "node:path"

/** A bundle or add-on in dist/. */
export const bundlePath = (name: string): string => join(__dirname, name)

/** An executable, as users start it. */
export const executablePath = (name: "tedge" | "tedge-mapper" | "tedge-p11-server" | "tedge-hsm-bridge"): string =>
  join(dirname(__dirname), "bin", name)

/** On PATH, and in the directories of services outside a user's PATH. Undefined: not installed. */
export const findExecutable = (name: string, path: string = process.env.PATH ?? ""): string | undefined =>
  [...path.split(delimiter).filter((dir) => dir !== ""), "/usr/sbin", "/usr/local/sbin"]
    .map((dir) => join(dir, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false // missing, or not executable by us
      }
    })

/** The installed programs of thin-edge itself. Ours are scripts; thin-edge's are one binary under several names. */
export const thinEdgePrograms = (path?: string): ReadonlyArray<string> =>
  ["tedge", "tedge-agent", "tedge-mapper", "tedge-p11-server"].filter((name) => {
    const found = findExecutable(name, path)
    return found !== undefined && isBinary(found)
  })

const isBinary = (path: string): boolean => {
  try {
    const file = openSync(path, "r")
    const start = Buffer.alloc(4)
    try {
      readSync(file, start, 0, 4, 0)
    } finally {
      closeSync(file)
    }
    return start.equals(Buffer.from("\u007FELF", "latin1"))
  } catch {
    return false // unreadable
  }
}
