/**
 * Runs tests with a temporary directory of their own. When they end, pass or not, or at Ctrl-C, nothing of them is left:
 * no file, keys least of all, and no process.
 */
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from "node:fs"
import * as modules from "node:module"
import { constants, tmpdir } from "node:os"
import { join } from "node:path"
import { killProcessesOf } from "../processes.mjs"

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
    const env = { ...process.env, TMPDIR: dir, ...compileCache(dir) }
    return await use({ env, dir })
  } finally {
    killProcessesOf(dir)
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
    for (const signal of signals) process.off(signal, end)
    if (ended !== undefined) process.exit(128 + constants.signals[ended])
  }
}

/** What is started a thousand times is compiled once. Node 20 needs help with that. */
const compileCache = (dir) => {
  const folder = { NODE_COMPILE_CACHE: join(dir, "compile-cache") }
  if (modules.enableCompileCache !== undefined) return folder
  const hook = join(dir, "compile-cache.cjs") // where every user can read it
  copyFileSync(join(import.meta.dirname, "compile-cache.cjs"), hook)
  chmodSync(hook, 0o644)
  return { ...folder, NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --require ${JSON.stringify(hook)}`.trim() }
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"]
