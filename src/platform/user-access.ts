/**
 * Whether another user may read a file, as the kernel would decide by owner, group and mode of each directory on the way.
 *
 * Root reads everything, so a command of root's would not notice what its services cannot. Access control lists are
 * not looked at: where they decide, this says nothing.
 */
import { readFileSync, realpathSync, statSync } from "node:fs"
import { dirname } from "node:path"
import type { UserIds } from "./become-user.ts"

/** The directory or file that is closed to this user; undefined: nothing on the way is, or that cannot be known. */
export const closedTo = (
  user: UserIds,
  path: string
): { readonly path: string; readonly needs: "r" | "x" } | undefined => {
  if (user.uid === 0) return undefined
  try {
    const real = realpathSync(path)
    const groups = groupsOf(user)
    const closed = above(real).find((directory) => !may(user, groups, directory, execute))
    if (closed !== undefined) return { path: closed, needs: "x" }
    return may(user, groups, real, read) ? undefined : { path: real, needs: "r" }
  } catch {
    return undefined // not there, or not to be looked at: told where it is used
  }
}

const read = 4
const execute = 1

/** From the root directory on. */
const above = (path: string): ReadonlyArray<string> => {
  const parent = dirname(path)
  return parent === path ? [] : [...above(parent), parent]
}

const may = ({ uid }: UserIds, groups: ReadonlySet<number>, path: string, bit: number): boolean => {
  const { mode, uid: owner, gid } = statSync(path)
  const shift = owner === uid ? 6 : groups.has(gid) ? 3 : 0
  return ((mode >> shift) & bit) !== 0
}

/** Of group(5); a member is listed by name. */
const groupsOf = ({ name, gid }: UserIds): ReadonlySet<number> => {
  const supplementary = readFileSync("/etc/group", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .filter(([, , , members = ""]) => members.split(",").includes(name))
    .map(([, , id]) => Number(id))
  return new Set([gid, ...supplementary])
}
