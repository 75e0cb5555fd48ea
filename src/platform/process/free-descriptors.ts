/** How many more files, sockets and pipes this process may open. */
import { readdirSync, readFileSync } from "node:fs"

/** Undefined if the kernel does not report it. The soft limit, which Node raises to the hard one at its start. */
export const freeDescriptors = (): number | undefined => {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1]
    return limit === undefined ? undefined : Number(limit) - readdirSync("/proc/self/fd").length
  } catch {
    return undefined
  }
}
