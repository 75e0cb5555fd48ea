/** A lock whose holder cannot be seen: the process that took it has ended; its child goes on, as one in another container does. */
import { spawnSync } from "node:child_process"
import { mkdirSync } from "node:fs"
import { dirname } from "node:path"
import { onTestFinished } from "vitest"
import { signal } from "./signal.ts"

/** Answers what ends it. */
export const holdUnseen = (lock: string): (() => void) => {
  mkdirSync(dirname(lock), { recursive: true })
  const child = spawnSync("python3", ["-c", holding], {
    env: { ...process.env, LOCK: lock },
    encoding: "utf8",
    timeout: 60_000
  })
  let ends = (): void => {
    signal(Number(child.stdout), "SIGKILL")
    ends = () => {}
  }
  onTestFinished(() => ends())
  return () => ends()
}

const holding = `
import fcntl, os
lock = open(os.environ["LOCK"], "a")
fcntl.flock(lock, fcntl.LOCK_EX)
os.set_inheritable(lock.fileno(), True)
child = os.fork()
if child == 0:
    nowhere = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2): os.dup2(nowhere, stream)
    os.execvp("sleep", ["sleep", "600"])
print(child, flush=True)
`
