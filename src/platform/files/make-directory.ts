/**
 * Creates a directory and its missing parents.
 *
 * Node's recursive mkdir never returns where the kernel creates no directories: below /proc it gets ENOENT for each.
 */
import { existsSync, mkdirSync } from "node:fs"
import { dirname } from "node:path"

/** Throws the error of mkdir(2). An existing entry is not checked. */
export const makeDirectory = (path: string): void => {
  if (existsSync(path)) return
  const parent = dirname(path)
  // "." is its own parent, and missing if the working directory was deleted.
  if (parent !== path) makeDirectory(parent)
  try {
    mkdirSync(path)
  } catch (error) {
    // Another process may have created it.
    if (!existsSync(path)) throw error
  }
}
