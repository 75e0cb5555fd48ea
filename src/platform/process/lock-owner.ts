/**
 * Who has a lock file, and what is in the environment of that process.
 *
 * Only looked at: taking the lock for a moment would keep a service that is just starting from it.
 * Source: proc_pid_fd(5), proc_pid_environ(5).
 */
import { readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs"
import { readRegularText } from "../files/read-file.ts"
import { errorCode } from "./error-code.ts"

/** The process whose id is in the file, while it has the file open. */
export const lockOwner = (path: string): number | undefined => {
  try {
    const pid = Number(readRegularText(path).trim())
    return Number.isSafeInteger(pid) && pid > 1 && hasOpen(pid, realpathSync(path)) ? pid : undefined
  } catch {
    return undefined // no such file, or none that may be read
  }
}

/** A process of another user shows no more than that it is there. */
const hasOpen = (pid: number, path: string): boolean => {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((descriptor) => linkOf(`/proc/${pid}/fd/${descriptor}`) === path)
  } catch (error) {
    return errorCode(error) === "EACCES" || errorCode(error) === "EPERM"
  }
}

const linkOf = (path: string): string | undefined => {
  try {
    return readlinkSync(path)
  } catch {
    return undefined // closed meanwhile
  }
}

/** As the process was started. `unset` and `unknown` (not this user's to read) are not the same. */
export const variableOf = (
  pid: number,
  name: string
): { readonly kind: "set"; readonly value: string } | { readonly kind: "unset" | "unknown" } => {
  try {
    const found = readFileSync(`/proc/${pid}/environ`, "latin1")
      .split("\0")
      .find((entry) => entry.startsWith(`${name}=`))
    return found === undefined ? { kind: "unset" } : { kind: "set", value: found.slice(name.length + 1) }
  } catch {
    return { kind: "unknown" }
  }
}
