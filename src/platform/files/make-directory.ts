/**
 * Makes a directory and the parents it lacks.
 *
 * Node's own way never returns where the kernel makes no directories at all: below /proc, it says ENOENT for each.
 */
import { existsSync, mkdirSync } from "node:fs"
import { dirname } from "node:path"

/** Throws what mkdir(2) refuses with. What is there already is not looked at. */
export const makeDirectory = (path: string): void => {
  if (existsSync(path)) return
  const parent = dirname(path)
  // "." is its own parent, and missing where the working directory was deleted.
  if (parent !== path) makeDirectory(parent)
  try {
    mkdirSync(path)
  } catch (error) {
    // Another process may have made it meanwhile.
    if (!existsSync(path)) throw error
  }
}
