/**
 * Finds and loads one of our native add-ons, or reports why it cannot.
 *
 * They are in dist/, beside the bundles; unbundled code in src/ finds them there too.
 * TEDGE_ADDON_DIR names another directory, used for the sanitizer builds of scripts/sanitize.mjs.
 */
import { existsSync, readFileSync } from "node:fs"
import { constants } from "node:os"
import { join } from "node:path"
import { AddonNotLoaded } from "../../messages/platform.ts"
import { messageOf } from "../process/error-code.ts"

type AddonName = "tls" | "unix"

/** The add-on's exports. Throws only AddonNotLoaded, and never ends the process. */
export const loadAddon = (addon: AddonName): unknown => {
  const directory = addonDirectories().find((dir) => existsSync(join(dir, `${addon}.node`)))
  if (directory === undefined) throw new AddonNotLoaded({ addon, reason: buildProblem(addon) })
  const loaded = { exports: {} }
  try {
    process.dlopen(loaded, join(directory, `${addon}.node`), constants.dlopen.RTLD_LAZY)
  } catch (error) {
    throw new AddonNotLoaded({ addon, reason: messageOf(error) })
  }
  return loaded.exports
}

const addonDirectories = (): ReadonlyArray<string> =>
  process.env.TEDGE_ADDON_DIR ? [process.env.TEDGE_ADDON_DIR] : [__dirname, join(__dirname, "../../../dist")]

/** Written by the build when it could not compile the add-on. */
const buildProblem = (addon: AddonName): string => {
  const notes = addonDirectories()
    .map((dir) => join(dir, "addons.txt"))
    .find((file) => existsSync(file))
  const text = notes ? readFileSync(notes, "utf8") : ""
  const start = text.indexOf(`native/${addon} `)
  const rest = start < 0 ? "" : text.slice(start)
  const next = rest.search(/\nnative\//)
  return (next < 0 ? rest : rest.slice(0, next)).trim() || `${addon}.node is missing`
}
