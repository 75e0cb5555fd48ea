/**
 * system.toml names the services' user, and commands that root runs. So root accepts it only if root alone can write it:
 * the services' user owns its directory, and could put another file there.
 */
import { lstatSync } from "node:fs"
import { join } from "node:path"
import { readTomlFile, type TomlRead } from "../toml/toml-file.ts"
import { userName } from "./accounts.ts"

type SystemFile =
  | TomlRead
  /** `writer`: who else than root can write it, for display. */
  | { readonly kind: "untrusted"; readonly writer: string }

export const systemFilePath = (configDir: string): string => join(configDir, "system.toml")

/** A file that names neither user nor commands may have any owner. */
export const readSystemFile = (configDir: string, isRoot = process.getuid?.() === 0): SystemFile => {
  const path = systemFilePath(configDir)
  const read = readTomlFile(path)
  if (!isRoot || read.kind !== "read" || !keys.some((key) => key in read.tree)) return read
  const writer = otherWriter(read) ?? linkMaker(path)
  return writer === undefined ? read : { kind: "untrusted", writer }
}

const keys = ["user", "group", "init"]

const otherWriter = ({ uid, gid, mode }: Extract<TomlRead, { readonly kind: "read" }>): string | undefined => {
  if (uid !== 0) return `user '${userName(uid)}'`
  if ((mode & 0o002) !== 0) return "every user"
  return (mode & 0o020) !== 0 && gid !== 0 ? `group ${gid}` : undefined
}

/** The creator of the symlink could point it at any file of root. */
const linkMaker = (path: string): string | undefined => {
  const entry = lstatSync(path, { throwIfNoEntry: false })
  return entry?.isSymbolicLink() && entry.uid !== 0 ? `user '${userName(entry.uid)}'` : undefined
}
