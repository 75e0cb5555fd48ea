/**
 * Runs tests with a temporary directory of their own. When they end, pass or not, or at Ctrl-C, nothing of them is left:
 * no file, keys least of all, and no process.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { constants, tmpdir } from "node:os"
import { join } from "node:path"
import { killProcessesOf } from "./processes.mjs"

/** `use` gets the environment for what it starts: TMPDIR names the directory, and so finds the processes. */
export const inOwnDirectory = async (use) => {
  const dir = mkdtempSync(join(tmpdir(), "tt-")) // short: it is part of the paths of sockets
  chmodSync(dir, 0o711) // some tests start programs as another user, who must reach their files
  let ended
  const end = (signal) => {
    ended ??= signal
    // Ctrl-C reaches the tests as well: they may end by themselves first.
    setTimeout(() => killProcessesOf(dir), signal === "SIGINT" ? 1_000 : 0)
  }
  for (const signal of signals) process.on(signal, end)
  try {
    const env = { ...process.env, TMPDIR: dir, NODE_COMPILE_CACHE: join(dir, "compile-cache") }
    return await use({ env, dir })
  } finally {
    killProcessesOf(dir)
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
    for (const signal of signals) process.off(signal, end)
    if (ended !== undefined) process.exit(128 + constants.signals[ended])
  }
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"]
