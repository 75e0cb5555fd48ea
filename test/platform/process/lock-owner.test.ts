/** Who has a lock, with real processes that have it. */
import { spawn } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeEach, describe, expect, it, onTestFinished } from "vitest"
import { lockHolder, lockOwner } from "../../../src/platform/process/lock-owner.ts"
import { holdUnseen } from "../../support/hold-unseen.ts"
import { tempDir } from "../../support/temp-dir.ts"

let lock: string
beforeEach(() => {
  lock = join(tempDir(), "lock")
})

const hold = async (): Promise<number | undefined> => {
  const holding =
    "import sys, fcntl, os, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); f.write(str(os.getpid())); f.flush(); print('there', flush=True); time.sleep(600)"
  const child = spawn("python3", ["-c", holding, lock])
  onTestFinished(() => void child.kill("SIGKILL"))
  await new Promise((resolve) => child.stdout.once("data", resolve))
  return child.pid
}

describe("the owner of a lock", () => {
  it.each(["", "1", "not a number", `${process.pid}`])(
    "is the process that has it, whatever the file says (%j)",
    async (text) => {
      const pid = await hold()
      writeFileSync(lock, text)
      expect([lockOwner(lock), lockHolder(lock)]).toEqual([pid, pid])
    }
  )

  it("is undefined if the file is left from a process that has exited", () => {
    writeFileSync(lock, "999999999")
    expect([lockOwner(lock), lockHolder(lock)]).toEqual([undefined, undefined])
  })

  it("is undefined without a file", () => {
    expect([lockOwner(lock), lockHolder(lock)]).toEqual([undefined, undefined])
  })

  it("is unseen where a process has it that cannot be seen", () => {
    holdUnseen(lock)
    expect([lockOwner(lock), lockHolder(lock)]).toEqual([undefined, "unseen"])
  })
})
