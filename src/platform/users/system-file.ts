/**
 * system.toml names the services' user, and commands that root runs. So root accepts it only if root alone can write it:
 * the services' user owns its directory, and could put another file there.
 *
 * The owner of the file may name itself: this gives it no further rights. thin-edge's own `tedge init` makes that user the
 * owner.
 */
import { lstatSync } from "node:fs"
import { join } from "node:path"
import { readTomlFile, type TomlRead } from "../toml/toml-file.ts"
import { account, groupId, userId, userName } from "./accounts.ts"
import { isMember } from "./user-access.ts"

type SystemFile =
  | TomlRead
  /** `writer`: who else than root can write it, for display. */
  | { readonly kind: "untrusted"; readonly writer: string }

export const systemFilePath = (configDir: string): string => join(configDir, "system.toml")

/** `asked`: the keys that the caller needs. A file without them may have any owner. */
export const readSystemFile = (
  configDir: string,
  asked: "user" | "commands",
  isRoot = process.getuid?.() === 0
): SystemFile => {
  const path = systemFilePath(configDir)
  const read = readTomlFile(path)
  if (!isRoot || read.kind !== "read" || !keys[asked].some((key) => key in read.tree)) return read
  const writer = otherWriter(read) ?? linkMaker(path)
  if (writer === undefined || (asked === "user" && isOfWhomItNames(path, read))) return read
  return { kind: "untrusted", writer }
}

type ReadFile = Extract<TomlRead, { readonly kind: "read" }>

const keys = { user: ["user", "group"], commands: ["init"] }

/** The user if system.toml names none, and the group. */
export const defaultServiceName = "tedge"

const otherWriter = ({ uid, gid, mode }: ReadFile): string | undefined => {
  if (uid !== 0) return `user '${userName(uid)}'`
  if ((mode & 0o002) !== 0) return "every user"
  return (mode & 0o020) !== 0 && gid !== 0 ? `group ${gid}` : undefined
}

/** Only its owner can write it, who is the user in it, and a member of the group in it. */
const isOfWhomItNames = (path: string, { uid, mode, tree }: ReadFile): boolean => {
  const { user = defaultServiceName, group = defaultServiceName } = tree
  if (typeof user !== "string" || typeof group !== "string" || user === "" || userId(user) !== uid) return false
  const of = account(user)
  const gid = groupId(group)
  const isMissing = gid === undefined && tree.group === undefined
  const isOwn = group === "" || isMissing || (of !== undefined && (gid === of.gid || isMember(of.name, group)))
  return isOwn && (mode & 0o022) === 0 && [uid, 0].includes(lstatSync(path).uid)
}

/** The creator of the symlink could point it at any file of root. */
const linkMaker = (path: string): string | undefined => {
  const entry = lstatSync(path, { throwIfNoEntry: false })
  return entry?.isSymbolicLink() && entry.uid !== 0 ? `user '${userName(entry.uid)}'` : undefined
}
