/** Whom tedge.toml belongs to: user and group of system.toml. Source: thin-edge, system.toml reference. */
import { join } from "node:path"
import { groupId, userId } from "../../platform/accounts.ts"
import { readTomlFile } from "../../platform/toml-file.ts"

export type FileOwner =
  | { readonly kind: "owner"; readonly uid: number; readonly gid: number; readonly name: string }
  /** Ownership is left as it is: only root can change it, or system.toml says so (`user = ''`). */
  | { readonly kind: "unchanged" }
  | { readonly kind: "unknown"; readonly name: string }

export const fileOwner = (configDir: string, isRoot = process.getuid?.() === 0): FileOwner => {
  if (!isRoot) return { kind: "unchanged" }
  const read = readTomlFile(join(configDir, "system.toml"))
  const { user: givenUser, group: givenGroup } = read.kind === "read" ? read.tree : {}
  const user = typeof givenUser === "string" ? givenUser : "tedge"
  const group = typeof givenGroup === "string" ? givenGroup : "tedge"
  if (user === "" || group === "") return { kind: "unchanged" }
  const uid = userId(user)
  const gid = groupId(group)
  const name = `${user}:${group}`
  if (uid !== undefined && gid !== undefined) return { kind: "owner", uid, gid, name }
  // Nobody named them, and this device has no such user: the file stays root's.
  return givenUser === undefined && givenGroup === undefined ? { kind: "unchanged" } : { kind: "unknown", name }
}
