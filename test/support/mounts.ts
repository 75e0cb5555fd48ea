/** Places in the file system that root alone can make: full, read-only, mounted over. Undone when the test ends. */
import { execFileSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { onTestFinished } from "vitest"

export const canMount = (): boolean => {
  if (process.getuid?.() !== 0) return false
  try {
    execFileSync("unshare", ["-m", "true"], { stdio: "ignore" })
    return true
  } catch {
    return false // root of a container without CAP_SYS_ADMIN
  }
}

/** An empty file system of its own, in memory. */
export const mountTmpfs = (path: string, sizeKiB = 256): void => {
  mkdirSync(path, { recursive: true })
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeKiB}k`, "tmpfs", path])
  onTestFinished(() => void execFileSync("umount", ["-l", path]))
}

export const fillUp = (directory: string): void => {
  for (let at = 0; ; at++)
    try {
      writeFileSync(join(directory, `filler-${at}`), Buffer.alloc(4096))
    } catch {
      return // that is what is wanted
    }
}

export const makeReadOnly = (path: string): void => void execFileSync("mount", ["-o", "remount,ro", path])

/** The file is another one, mounted over it, as containers do with single files. */
export const bindFile = (path: string, content: string): void => {
  const source = join(dirname(path), `..bound-${randomUUID()}`)
  writeFileSync(source, content)
  execFileSync("mount", ["--bind", source, path])
  onTestFinished(() => void execFileSync("umount", ["-l", path]))
}

export const makeImmutable = (path: string): void => {
  execFileSync("chattr", ["+i", path])
  onTestFinished(() => void execFileSync("chattr", ["-i", path]))
}
