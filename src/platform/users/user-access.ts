/**
 * Whether another user may use a file, as the kernel decides by owner, group and mode of each directory of its path.
 *
 * Root can read everything, so a command run by root would not notice what its services cannot. Access control lists are
 * ignored.
 */
import { readFileSync, realpathSync, statSync } from "node:fs"
import { dirname } from "node:path"
import { errorCode } from "../process/error-code.ts"
import type { UserIds } from "./become-user.ts"

/** `r`: read. `rw`: read and written. `x`: a directory on the path. `rwx`: a directory whose entries change. */
export type Access = "r" | "rw" | "x" | "rwx"

/** The directory or file that is not accessible to the user. */
interface Closed {
  readonly path: string
  readonly needs: Access
  /** The group whose members may; undefined: none, or root's. */
  readonly group: string | undefined
}

/** A user with all its groups; by default those of group(5). */
export interface AccessUser extends UserIds {
  readonly groups?: ReadonlyArray<number>
}

/** Undefined: accessible, or unknown. */
export const closedTo = (user: AccessUser, path: string, needs: Access = "r"): Closed | undefined => {
  if (user.uid === 0) return undefined
  try {
    const real = resolved(path)
    const groups = groupsOf(user)
    const directory = above(real).find((one) => !may(user, groups, one, "x"))
    if (directory !== undefined) return { path: directory, needs: "x", group: groupThatMay(directory, "x") }
    return may(user, groups, real, needs) ? undefined : { path: real, needs, group: groupThatMay(real, needs) }
  } catch {
    return undefined // missing or not visible: reported where it is used
  }
}

/** Undefined: none but root's, or unknown; or the calling user may use it. */
export const groupThatMayUse = (path: string, needs: Access): string | undefined => {
  const [uid = 0, gid = 0] = [process.getuid?.(), process.getgid?.()]
  return closedTo({ name: "", uid, gid, groups: process.getgroups?.() ?? [] }, path, needs)?.group
}

/** A symlink in a directory closed to the caller is not followed: the directory counts then. */
const resolved = (path: string): string => {
  try {
    return realpathSync(path)
  } catch (error) {
    if (errorCode(error) === "EACCES") return path
    throw error
  }
}

/** From the root directory on. */
const above = (path: string): ReadonlyArray<string> => {
  const parent = dirname(path)
  return parent === path ? [] : [...above(parent), parent]
}

const bits = { r: 4, rw: 6, x: 1, rwx: 7 } as const

const may = ({ uid }: UserIds, groups: ReadonlySet<number>, path: string, needs: Access): boolean => {
  const { mode, uid: owner, gid } = statSync(path)
  const shift = owner === uid ? 6 : groups.has(gid) ? 3 : 0
  return allows(mode >> shift, needs)
}

const allows = (mode: number, needs: Access): boolean => (mode & bits[needs]) === bits[needs]

const groupThatMay = (path: string, needs: Access): string | undefined => {
  const { mode, gid } = statSync(path)
  return gid !== 0 && allows(mode >> 3, needs) ? groupLines().find(([, , id]) => id === String(gid))?.[0] : undefined
}

/** Of group(5); a member is listed by name. */
const groupsOf = ({ name, gid, groups }: AccessUser): ReadonlySet<number> =>
  new Set([
    gid,
    ...(groups ??
      groupLines()
        .filter(([, , , members = ""]) => members.split(",").includes(name))
        .map(([, , id]) => Number(id)))
  ])

const groupLines = (): ReadonlyArray<ReadonlyArray<string>> =>
  readFileSync("/etc/group", "utf8")
    .split("\n")
    .map((line) => line.split(":"))

/** By group(5), whatever groups a session of that user has. */
export const isMember = (user: string, group: string): boolean =>
  groupLines().some(([name, , , members = ""]) => name === group && members.split(",").includes(user))
