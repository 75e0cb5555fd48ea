/**
 * A process recorded in a file, so that others can find it after its parent has ended.
 *
 * A process id alone may have gone to another program since; together with its start time it is the same one.
 */
import { readFileSync } from "node:fs"
import { replaceFileNow } from "../files/atomic-file.ts"
import { readRegularText } from "../files/read-file.ts"

export const recordProcess = (path: string, pid: number | undefined): void =>
  void replaceFileNow({ path, content: `${pid} ${startTime(pid)}\n`, mode: 0o644 })

/**
 * The process of the file; undefined: there is none, or it has ended. A zombie has: where no init runs (a container),
 * nothing reaps a process whose parent has ended.
 */
export const recordedProcess = (path: string): number | undefined => {
  const [pid, started] = readText(path).trim().split(" ").map(Number)
  return pid !== undefined && pid > 1 && started === startTime(pid) && !isZombie(pid) ? pid : undefined
}

/** Who started it; undefined: there is no such process. Field 4 of proc_pid_stat(5). */
export const parentOf = (pid: number): number | undefined => {
  const parent = Number(statFields(pid)[1])
  return Number.isInteger(parent) ? parent : undefined
}

/** Its real user id. Not the owner in /proc: that is root for a process that gave up root. */
export const userOf = (pid: number): number | undefined => {
  const [, uid] = /^Uid:\s*(\d+)/m.exec(readText(`/proc/${pid}/status`)) ?? []
  return uid === undefined ? undefined : Number(uid)
}

/** In its environment, as it was started: proc_pid_environ(5). `unset` and `unknown` (not this user's to read) are not the same. */
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

/** Clock ticks since boot, field 22 of proc_pid_stat(5); 0 when there is no such process. */
const startTime = (pid: number | undefined): number => Number(statFields(pid)[19] ?? 0)

/** From field 3 on: the name before it may hold anything, also brackets. */
const statFields = (pid: number | undefined): ReadonlyArray<string> =>
  (readText(`/proc/${pid}/stat`).split(") ").at(-1) ?? "").split(" ")

const readText = (path: string): string => {
  try {
    return path.startsWith("/proc/") ? readFileSync(path, "utf8") : readRegularText(path)
  } catch {
    return "" // not there: nothing is recorded, no such process
  }
}
