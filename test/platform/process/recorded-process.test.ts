/** A process that is remembered in a file. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { expect, it } from "vitest"
import { recordedProcess, recordProcess } from "../../../src/platform/process/recorded-process.ts"
import { signal } from "../../support/signal.ts"
import { tempDir } from "../../support/temp-dir.ts"

it("is found while it runs, and not when it has exited, even as a zombie", async () => {
  const file = join(tempDir(), "program.pid")
  // A parent that does not wait for its child, as the first process of a container may be.
  const script =
    "import subprocess, sys; c = subprocess.Popen(['sleep', '1000']); print(c.pid, flush=True); sys.stdin.read()"
  const parent = spawn("python3", ["-c", script], { stdio: ["pipe", "pipe", "inherit"] })
  const [line] = await once(parent.stdout, "data")
  const pid = Number(line)
  recordProcess(file, pid)
  expect(recordedProcess(file)).toBe(pid)
  signal(pid, "SIGKILL")
  await expect.poll(() => recordedProcess(file)).toBeUndefined()
  parent.stdin.end()
  await once(parent, "exit")
})
