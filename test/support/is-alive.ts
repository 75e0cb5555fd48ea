import { readFileSync } from "node:fs"

/** A zombie is dead: where no init runs (a container), nothing reaps a process whose parent has ended. */
export const isAlive = (pid: number): boolean => {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return false
  }
}
