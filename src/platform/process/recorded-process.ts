/**
 * A process recorded in a file, so that others find it after its parent has exited.
 *
 * A process id may be reused; with its start time it is unique.
 */
import { readFileSync } from "node:fs"
import { replaceFileNow } from "../files/atomic-file.ts"
import { textIfReadable } from "../files/read-file.ts"

export const recordProcess = (path: string, pid: number | undefined): void =>
  void replaceFileNow({ path, content: `${pid} ${startTime(pid)}\n`, mode: 0o644 })

/**
 * The process of the file; undefined: none, or it has exited. A zombie has exited: without an init (in a container),
 * nothing reaps a process whose parent has exited.
 */
export const recordedProcess = (path: string): number | undefined => {
  const [pid, started] = (textIfReadable(path) ?? "").trim().split(" ").map(Number)
  return pid !== undefined && pid > 1 && started === startTime(pid) && !isZombie(pid) ? pid : undefined
}

/** Its parent; undefined: no such process. Field 4 of proc_pid_stat(5). */
export const parentOf = (pid: number): number | undefined => {
  const parent = Number(statFields(pid)[1])
  return Number.isInteger(parent) ? parent : undefined
}

/** Its real user id. Not the owner in /proc, which is root for a process that dropped root. */
export const userOf = (pid: number): number | undefined => {
  const [, uid] = /^Uid:\s*(\d+)/m.exec(textIfReadable(`/proc/${pid}/status`) ?? "") ?? []
  return uid === undefined ? undefined : Number(uid)
}

/** In its initial environment: proc_pid_environ(5). `unset` and `unknown` (not readable by this user) differ. */
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

/** Field 3 of proc_pid_stat(5). */
const isZombie = (pid: number): boolean => ["Z", "X"].includes(statFields(pid)[0] ?? "")

/** Clock ticks since boot, field 22 of proc_pid_stat(5); 0: no such process. */
const startTime = (pid: number | undefined): number => Number(statFields(pid)[19] ?? 0)

/** From field 3 on: the name before it may contain anything, also brackets. */
const statFields = (pid: number | undefined): ReadonlyArray<string> =>
  ((textIfReadable(`/proc/${pid}/stat`) ?? "").split(") ").at(-1) ?? "").split(" ")
