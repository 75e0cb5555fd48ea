/** How many more files, sockets and pipes this process may open. */
import { readdirSync, readFileSync } from "node:fs"

/** Undefined where the kernel does not say. The soft limit: Node raises it to the hard one when it starts. */
export const freeDescriptors = (): number | undefined => {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1]
    return limit === undefined ? undefined : Number(limit) - readdirSync("/proc/self/fd").length
  } catch {
    return undefined
  }
}
