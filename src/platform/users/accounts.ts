/**
 * User and group ids by name. Node has no getpwnam(3); the local files are what an embedded device uses, and getent(1)
 * covers the rest (LDAP, systemd's dynamic users).
 */

import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
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
  if (name === "" || name.startsWith("-") || !otherSources(linesOf("/etc/nsswitch.conf"), existsSync)) return undefined
  const { status, stdout } = spawnSync("getent", [database, name], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    timeout: 10_000
  })
  return status === 0 ? stdout.split("\n")[0] : undefined
}

/**
 * Whether nsswitch.conf(5) names a source beside the files; if not, no process is started for an unknown name.
 * nss-systemd(8), which Debian always names, has users only where one of its directories exists.
 */
export const otherSources = (lines: ReadonlyArray<string>, isThere: (path: string) => boolean): boolean =>
  lines
    .flatMap((line) => (/^\s*(?:passwd|group)\s*:([^#]*)/.exec(line)?.[1] ?? "").split(/\s+/))
    .filter((source) => /^[a-z]/.test(source) && source !== "files" && source !== "compat")
    .some((source) => source !== "systemd" || systemdRecords.some(isThere))

const systemdRecords = [
  ...["/run/systemd/userdb", "/etc/userdb", "/run/userdb", "/run/host/userdb", "/usr/local/lib/userdb"],
  "/usr/lib/userdb"
]

/** Without the file there are no names; the caller reports an unknown name. */
const linesOf = (file: string): ReadonlyArray<string> => textIfReadable(file)?.split("\n") ?? []
