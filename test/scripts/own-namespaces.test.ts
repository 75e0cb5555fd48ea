/** What `npm run test:install` leaves of its directory, mounts and processes, however it ends. */
import { spawn } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { constants } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { canMount } from "../support/mounts.ts"
import { tempDir } from "../support/temp-dir.ts"

const module = join(import.meta.dirname, "../../scripts/lib/tests/own-namespaces.mjs")

/** A program that mounts a file system and leaves a process, as a container does; `last`: what it ends with. */
const start = (last: string) => {
  const place = tempDir()
  const program = [
    "mkdir $TMPDIR/mounted && mount -t tmpfs tmpfs $TMPDIR/mounted",
    // Found by its output, which this test reads to the end.
    "setsid sleep infinity &",
    "echo $TMPDIR",
    last
  ]
  const script = `
    import { runInOwnNamespaces } from ${JSON.stringify(module)}
    const wordsFor = () => ["sh", "-ec", ${JSON.stringify(program.join("\n"))}]
    const afterwards = async (dir) => console.log("ended:", dir)
    process.exitCode = await runInOwnNamespaces({ prefix: "own-", wordsFor, afterwards })`
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    env: { ...process.env, TMPDIR: place },
    stdio: ["ignore", "pipe", "inherit"]
  })
  let said = ""
  const ready = new Promise<string>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (text) => {
      said += text
      if (said.includes("\n")) resolve(said.split("\n")[0] ?? "")
    })
  })
  // "close": also the last process that holds the output has ended.
  const closed = new Promise<number | null>((resolve) => child.once("close", resolve))
  return { child, ready, closed, said: () => said }
}

describe.skipIf(!canMount())("a program in namespaces of its own", () => {
  it("leaves nothing when it ends, and returns its exit code", async () => {
    const { ready, closed, said } = start("exit 7")
    const dir = await ready
    expect(await closed).toBe(7)
    expect(said()).toBe(`${dir}\nended: ${dir}\n`)
    expect(existsSync(dir)).toBe(false)
  })

  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("leaves nothing at %s", async (signal) => {
    const { child, ready, closed, said } = start("sleep infinity")
    const dir = await ready
    expect(readFileSync("/proc/self/mounts", "utf8"), "its mounts are seen here").not.toContain(dir)
    child.kill(signal)
    expect(await closed).toBe(128 + constants.signals[signal])
    expect(said()).toBe(`${dir}\nended: ${dir}\n`)
    expect(existsSync(dir)).toBe(false)
  })
})
