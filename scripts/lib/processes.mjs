/**
 * Processes that belong to a temporary directory: its path is in their command line or environment.
 *
 * Whatever a demo or a test starts gets the directory's name one way or the other, so what is left over can be found
 * also after its parent has ended.
 */
import { readdirSync, readFileSync } from "node:fs"

/** [{ pid, command }] of all processes but our own. Those of other users are not seen. */
export const processesOf = (dir) =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => read(pid, "cmdline").includes(dir) || read(pid, "environ").includes(dir))
    .filter((pid) => !isZombie(pid))
    .map((pid) => ({ pid: Number(pid), command: read(pid, "cmdline").replaceAll("\0", " ").trim() }))

/** Ends them by SIGKILL. Answers what there was. */
export const killProcessesOf = (dir) => {
  const found = processesOf(dir)
  for (const { pid } of found) {
    try {
      process.kill(pid, "SIGKILL")
    } catch {
      // ended meanwhile
    }
  }
  return found
}

const read = (pid, file) => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8")
  } catch {
    return "" // ended meanwhile, or another user's
  }
}

/** Ended, and its parent has not asked yet: an ended process has nothing any more. */
const isZombie = (pid) => /^State:\s+[ZX]/m.test(read(pid, "status"))
