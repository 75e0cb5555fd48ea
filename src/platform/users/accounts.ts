/**
 * User and group ids by name. Node has no getpwnam(3); the local files are what an embedded device uses, and getent(1)
 * covers the rest (LDAP, systemd's dynamic users).
 */

import { spawnSync } from "node:child_process"
import { textIfReadable } from "../files/read-file.ts"

/** A name or a number; undefined: no such user. */
export const userId = (name: string, file = "/etc/passwd"): number | undefined => idIn(file, name)

export const groupId = (name: string, file = "/etc/group"): number | undefined => idIn(file, name)

/** An entry of passwd(5). */
interface Account {
  readonly name: string
  readonly uid: number
  /** Its primary group. */
  readonly gid: number
  readonly home: string
}

/** By name or number; undefined: no such user. */
export const account = (user: string): Account | undefined => {
  const isNumber = /^\d+$/.test(user)
  const fields = linesOf("/etc/passwd")
    .map((line) => line.split(":"))
    .find(([name, , uid]) => (isNumber ? uid === user : name === user && name !== ""))
  const [name = "", , uid, gid, , home = "/"] = fields ?? asked("passwd", user)?.split(":") ?? []
  return name === "" ? undefined : { name, uid: Number(uid), gid: Number(gid), home }
}

/** The name of a user id, for display. */
export const userName = (uid: number): string => account(String(uid))?.name ?? String(uid)

/** Both files begin `name:password:id:` (passwd(5), group(5)). */
const idIn = (file: string, name: string): number | undefined => {
  if (/^\d+$/.test(name)) return Number(name)
  const local = linesOf(file).find((line) => line.startsWith(`${name}:`))
  const database = databases.get(file)
  const entry = local ?? (database === undefined ? undefined : asked(database, name))
  const id = Number(entry?.split(":")[2])
  return entry === undefined || !Number.isInteger(id) ? undefined : id
}

const databases: ReadonlyMap<string, string> = new Map([
  ["/etc/passwd", "passwd"],
  ["/etc/group", "group"]
])

/** Its line, in the form of the file; undefined: no entry, or no getent. */
const asked = (database: string, name: string): string | undefined => {
  if (name === "" || name.startsWith("-") || !usesOtherSources()) return undefined
  const { status, stdout } = spawnSync("getent", [database, name], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    timeout: 10_000
  })
  return status === 0 ? stdout.split("\n")[0] : undefined
}

/** nsswitch.conf(5): if only the files are configured, no process is started for an unknown name. */
const usesOtherSources = (): boolean =>
  linesOf("/etc/nsswitch.conf").some((line) => {
    const [, sources] = /^\s*(?:passwd|group)\s*:([^#]*)/.exec(line) ?? []
    return (sources ?? "").split(/\s+/).some((source) => /^[a-z]/.test(source) && !["files", "compat"].includes(source))
  })

/** Without the file there are no names; the caller reports an unknown name. */
const linesOf = (file: string): ReadonlyArray<string> => textIfReadable(file)?.split("\n") ?? []
