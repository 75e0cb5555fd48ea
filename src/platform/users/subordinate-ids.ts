/**
 * The owner of a subordinate user id: a user with a range in /etc/subuid runs processes under any id of it (newuidmap,
 * rootless containers), and useradd(8) gives 65536 of them to every new user. Source: subuid(5).
 */
import { readFileSync, statSync } from "node:fs"
import { userId } from "./accounts.ts"

/** The owning user; if that is root or unknown, the first id of the range; undefined: in no range. */
export type OwnerOfUid = (uid: number) => number | undefined

interface Range {
  readonly first: number
  readonly count: number
  readonly owner: number
}

/** Re-reads a changed file. A missing or unreadable file has no ranges. */
export const subordinateOwners = (file = "/etc/subuid", idOf: (name: string) => number | undefined = userId) => {
  let version: string | undefined
  let ranges: ReadonlyArray<Range> = []
  return ((uid) => {
    const now = versionOf(file)
    if (now !== version) {
      version = now
      ranges = now === undefined ? [] : rangesIn(file, idOf)
    }
    return ranges.find(({ first, count, owner }) => uid >= first && uid < first + count && uid !== owner)?.owner
  }) satisfies OwnerOfUid
}

const versionOf = (file: string): string | undefined => {
  const found = statSync(file, { throwIfNoEntry: false, bigint: true })
  return found === undefined ? undefined : `${found.ino} ${found.mtimeNs} ${found.size}`
}

/** `login or id:first id:count`. The user may come from another source than the local files. */
const rangesIn = (file: string, idOf: (name: string) => number | undefined): ReadonlyArray<Range> => {
  try {
    return readFileSync(file, "utf8")
      .split("\n")
      .flatMap((line) => {
        const [name = "", start = "", length = ""] = line.trim().split(":")
        const [first, count] = [Number(start), Number(length)]
        if (name === "" || !/^\d+$/.test(start) || !/^\d+$/.test(length)) return []
        // Ids of root's containers (lxc, dockerd) are anonymous, and never root.
        return [{ first, count, owner: idOf(name) || first }]
      })
  } catch {
    return []
  }
}
