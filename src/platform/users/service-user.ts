/**
 * The user that the services run as: `user` and `group` of system.toml, by default `tedge`.
 *
 * Root starts token hosts and services without systemd as that user. Source: thin-edge, system.toml reference.
 */
import { ServiceUserUnknown, SystemFileInvalid } from "../../messages/platform.ts"
import { account, groupId } from "./accounts.ts"
import { defaultServiceName, readSystemFile, systemFilePath } from "./system-file.ts"

export interface ServiceAccount {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
}

export type ServiceUser =
  | ({ readonly kind: "user" } & ServiceAccount)
  /** Runs as the caller: not root, or system.toml says so (`user = ''`), or it names none and there is no user `tedge`. */
  | { readonly kind: "caller" }
  | { readonly kind: "unusable"; readonly failure: ServiceUserUnknown | SystemFileInvalid }

export const serviceUser = (configDir: string, isRoot = process.getuid?.() === 0): ServiceUser => {
  if (!isRoot) return { kind: "caller" }
  const path = systemFilePath(configDir)
  const read = readSystemFile(configDir, "user")
  switch (read.kind) {
    case "absent":
      return namedUser(path, {})
    case "read":
      return namedUser(path, read.tree)
    case "unreadable":
      return invalid(path, { problem: "syntax", detail: `the file cannot be read: ${read.code}` })
    case "malformed":
      return invalid(path, { problem: "syntax", detail: `line ${read.line}, column ${read.column}: ${read.reason}` })
    case "untrusted":
      return invalid(path, { problem: "untrusted", detail: read.writer })
  }
}

const namedUser = (
  path: string,
  { user, group }: { readonly user?: unknown; readonly group?: unknown }
): ServiceUser => {
  for (const [key, value] of Object.entries({ user, group }))
    if (value !== undefined && typeof value !== "string")
      return invalid(path, { problem: "syntax", detail: `'${key}' must be a string` })
  if (user === "") return { kind: "caller" }
  const userText = typeof user === "string" ? user : defaultServiceName
  const found = account(userText) ?? numbered(userText)
  if (found === undefined) return user === undefined ? { kind: "caller" } : unknown(path, "user", userText)
  if (group === "") return { kind: "user", ...found }
  const gid = groupId(typeof group === "string" ? group : defaultServiceName)
  if (gid === undefined && group !== undefined) return unknown(path, "group", String(group))
  return { kind: "user", ...found, gid: gid ?? found.gid }
}

/** A number needs no entry in passwd(5); its group does then. */
const numbered = (user: string): ServiceAccount | undefined =>
  /^\d+$/.test(user) ? { name: user, uid: Number(user), gid: Number(user), home: "/" } : undefined

const invalid = (path: string, facts: { readonly problem: "syntax" | "untrusted"; readonly detail: string }) =>
  ({ kind: "unusable", failure: new SystemFileInvalid({ path, ...facts }) }) as const

const unknown = (path: string, what: "user" | "group", name: string) =>
  ({ kind: "unusable", failure: new ServiceUserUnknown({ what, name, path }) }) as const
