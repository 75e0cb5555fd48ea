/** The owner of the services' files: user and group of system.toml. Source: thin-edge, system.toml reference. */
import type { ServiceUserUnknown, SystemFileInvalid } from "../../messages/platform.ts"
import type { Owner } from "../files/file-calls.ts"
import { type ServiceUser, serviceUser } from "./service-user.ts"
import { readSystemFile } from "./system-file.ts"

type FileOwner =
  | { readonly kind: "owner"; readonly uid: number; readonly gid: number; readonly name: string }
  /** Ownership is not changed: only root can change it, or system.toml says so (`user = ''`). */
  | { readonly kind: "unchanged" }
  | { readonly kind: "unknown"; readonly failure: ServiceUserUnknown | SystemFileInvalid }

export const fileOwner = (configDir: string, user: ServiceUser = serviceUser(configDir)): FileOwner => {
  if (user.kind === "unusable") return { kind: "unknown", failure: user.failure }
  if (user.kind === "caller" || leavesGroup(configDir)) return { kind: "unchanged" }
  return { kind: "owner", uid: user.uid, gid: user.gid, name: user.name }
}

/** `group = ''`: the owner is not changed either. */
const leavesGroup = (configDir: string): boolean => {
  const read = readSystemFile(configDir, "user")
  return read.kind === "read" && read.tree.group === ""
}

/** For calls that create files; undefined: the caller. */
export const ownerIn = (configDir: string): Owner | undefined => {
  const owner = fileOwner(configDir)
  return owner.kind === "owner" ? { uid: owner.uid, gid: owner.gid } : undefined
}

/** For lock files, even if ownership is not changed: the services' user must be able to take them. */
export const lockOwnerIn = (configDir: string): Owner | undefined => lockOwnerOf(serviceUser(configDir))

export const lockOwnerOf = (user: ServiceUser): Owner | undefined =>
  user.kind === "user" ? { uid: user.uid, gid: user.gid } : undefined
