/** Where the parts of this installation are: all in the folder the running bundle was loaded from. */
import { accessSync, constants } from "node:fs"
import { delimiter, dirname, join } from "node:path"

/** A bundle or add-on in dist/. */
export const bundlePath = (name: string): string => join(__dirname, name)

/** An executable of ours, as users start it. */
export const executablePath = (name: "tedge" | "tedge-mapper" | "tedge-p11-server"): string =>
  join(dirname(__dirname), "bin", name)

/** On PATH, and where services live that users have no PATH to. Undefined: not installed. */
export const findExecutable = (name: string, path: string = process.env.PATH ?? ""): string | undefined =>
  [...path.split(delimiter).filter((dir) => dir !== ""), "/usr/sbin", "/usr/local/sbin"]
    .map((dir) => join(dir, name))
    .find(isExecutable)

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false // not there, or not ours to run
  }
}
