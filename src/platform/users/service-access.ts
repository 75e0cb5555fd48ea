/** Files that the services' user may not read: commands run by root must check this, as root can read all files. */
import type { FileNote } from "../../messages/platform.ts"
import type { ServiceFile } from "../../messages/settings/service-files.ts"
import type { AccessUser } from "./user-access.ts"
import { closedTo } from "./user-access.ts"

export const closedToServices = (
  user: AccessUser,
  files: ReadonlyArray<ServiceFile>
): ReadonlyArray<{ readonly path: string; readonly note: FileNote }> =>
  files.flatMap(({ path, isPublic }) => {
    const closed = closedTo(user, path)
    if (closed === undefined) return []
    const needs = closed.needs === "x" ? ("x" as const) : ("r" as const)
    return [{ path, note: { kind: "closedToServices", user: user.name, closed: closed.path, needs, isPublic } }]
  })
