/**
 * system.toml names the user of the services, and commands that root runs for them. So for root it counts only where
 * root alone can write it: its directory belongs to the services' user, who could put a file of its own there.
 */
import { lstatSync } from "node:fs"
import { join } from "node:path"
import { readTomlFile, type TomlRead } from "../toml/toml-file.ts"
import { userName } from "./accounts.ts"

type SystemFile =
  | TomlRead
  /** `writer`: who else than root can write it, for people. */
  | { readonly kind: "untrusted"; readonly writer: string }

export const systemFilePath = (configDir: string): string => join(configDir, "system.toml")

/** A file that names neither user nor commands may be anybody's. */
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

/** Who made the link could lead it to any file of root's. */
const linkMaker = (path: string): string | undefined => {
  const entry = lstatSync(path, { throwIfNoEntry: false })
  return entry?.isSymbolicLink() && entry.uid !== 0 ? `user '${userName(entry.uid)}'` : undefined
}
