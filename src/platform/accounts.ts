/** User and group ids by name. Node has no getpwnam(3); the local files are what an embedded device uses. */
import { readFileSync } from "node:fs"

/** A name or a number; undefined: there is no such user. */
export const userId = (name: string, file = "/etc/passwd"): number | undefined => idIn(file, name)

export const groupId = (name: string, file = "/etc/group"): number | undefined => idIn(file, name)

/** Both files begin `name:password:id:` (passwd(5), group(5)). */
const idIn = (file: string, name: string): number | undefined => {
  if (/^\d+$/.test(name)) return Number(name)
  const entry = linesOf(file).find((line) => line.startsWith(`${name}:`))
  const id = Number(entry?.split(":")[2])
  return entry === undefined || !Number.isInteger(id) ? undefined : id
}

const linesOf = (file: string): ReadonlyArray<string> => {
  try {
    return readFileSync(file, "utf8").split("\n")
  } catch {
    return [] // without the file there are no names; the caller tells that the name is unknown
  }
}
