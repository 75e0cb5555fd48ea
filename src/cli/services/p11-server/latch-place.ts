/** Where the service keeps what is known of refused PINs, and whether that outlasts it. */
import { accessSync, constants, existsSync } from "node:fs"
import { dirname, join } from "node:path"

export const latchDirectory = (runPath: string): string => join(runPath, "tedge-pin-latch")

/** False: a restart forgets the wrong PINs, and each would be tried again. */
export const isLatchKept = (directory: string): boolean => {
  // It is made with the first latch, and so is its parent.
  const places = [directory, dirname(directory), dirname(dirname(directory))]
  const place = places.find((one) => existsSync(one))
  if (place === undefined) return false
  try {
    accessSync(place, constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}
