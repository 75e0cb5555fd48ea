/** `npm run demo`, interrupted: wherever Ctrl-C comes, nothing is left running and the directory is gone. */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { root } from "../docs/commands.ts"
import { processesOf } from "../support/device/device.ts"

/** Runs the demo in a process group of its own, as a terminal does, and sends Ctrl-C once `seen` was printed. */
const interruptedAt = (seen: string): Promise<{ readonly code: number | null; readonly output: string }> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [join(root, "scripts/demo.mjs")], { detached: true })
    let output = ""
    let isSent = false
    const read = (text: string) => {
      output += text
      if (isSent || !output.includes(seen) || child.pid === undefined) return
      isSent = true
      process.kill(-child.pid, "SIGINT")
    }
    child.stdout.setEncoding("utf8").on("data", read)
    child.stderr.setEncoding("utf8").on("data", read)
    child.once("close", (code) => resolve({ code, output }))
  })

describe("the demo", () => {
  const moments = ["$ softhsm2-util", "Creating device", "Removing bridge"]
  for (const seen of moments)
    it(`cleans up when interrupted after '${seen}'`, async () => {
      const { code, output } = await interruptedAt(seen)
      const dir = /DEMO=(.*)/.exec(output)?.[1] ?? ""
      expect(dir).not.toBe("")
      expect([code, existsSync(dir), processesOf(dir)], output).toEqual([130, false, []])
      expect(output).toContain("Nothing is left running")
    })
})
