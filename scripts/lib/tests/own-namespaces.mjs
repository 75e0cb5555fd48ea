/**
 * Runs a program with a temporary directory, processes and mounts of its own. When it ends, or at Ctrl-C, nothing of it is left:
 * its processes end with the first of their PID namespace, and its mounts with the last process. As root.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync } from "node:fs"
import { constants, tmpdir } from "node:os"
import { join } from "node:path"
import { mustRun } from "../run.mjs"

/**
 * `wordsFor` answers the command line for a directory, which is its TMPDIR, too. `prefix` is of the directory's name. `afterwards`
 * gets the directory when every process has ended, and removes what is outside of it. Answers the exit code; at SIGINT, SIGTERM
 * or SIGHUP this process exits instead.
 */
export const runInOwnNamespaces = async ({ prefix, wordsFor, afterwards = async () => {} }) => {
  const dir = mkdtempSync(join(tmpdir(), prefix))
  let signalled
  let child
  const end = (signal) => {
    signalled ??= signal
    if (child !== undefined) killFirst(child)
  }
  for (const signal of signals) process.on(signal, end)
  try {
    // A group of its own: Ctrl-C comes to this process alone, which waits until the others have ended.
    child = spawn("unshare", [...namespaces, ...reaping, ...wordsFor(dir)], {
      stdio: ["ignore", "inherit", "pipe", process.stderr],
      env: { ...process.env, TMPDIR: dir },
      detached: true
    })
    // Its own errors. It has one, too, where the program ends by a signal.
    child.stderr.on("data", (text) => signalled ?? process.stderr.write(text))
    return await new Promise((resolve, reject) => {
      child.once("error", reject)
      child.once("close", (code) => resolve(code ?? 1))
    })
  } finally {
    await afterwards(dir)
    // Of a whole Debian it is many times faster than Node's own. Not in the group that Ctrl-C reaches.
    await mustRun("rm", ["-rf", "--one-file-system", dir], { detached: true })
    for (const signal of signals) process.off(signal, end)
    if (signalled !== undefined) process.exit(128 + constants.signals[signalled])
  }
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"]
const namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
/** PID 1 waits also for processes whose parents have ended. */
const reaping = ["sh", "-c", 'exec 2>&3 3>&-; "$@"; exit $?', "sh"]

/** The kernel ends the namespace's other processes before it reports the end of PID 1. */
const killFirst = ({ pid }) => {
  try {
    const first = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")[0])
    process.kill(first > 0 ? first : pid, "SIGKILL")
  } catch {
    // it has ended, or was not started
  }
}
