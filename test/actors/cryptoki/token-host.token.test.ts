/** The token host as a process: it never outlives its parent, whatever it is blocked in. */
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { encodeFrame } from "../../../src/actors/cryptoki/host-frames.ts"
import { scriptedModule } from "../../support/scripted-module.ts"
import { softhsmDirectory, softhsmModulePath } from "../../support/softhsm.ts"
import { freshHost } from "./fresh-host.ts"

const entry = join(import.meta.dirname, "../../../dist/token-host.cjs")

/** A parent that starts a host, writes it one frame, tells its process id and lives on. */
const parentCode = `
  const { spawn } = require("node:child_process")
  const [entry, frame] = process.argv.slice(1)
  const host = spawn(process.execPath, [entry, String(process.pid)], { stdio: ["ignore", "ignore", "ignore", "pipe"] })
  host.stdio[3].write(Buffer.from(frame, "base64"))
  console.log(host.pid)
  setInterval(() => {}, 1000)
`

const isAlive = (pid: number): boolean => {
  try {
    // A zombie that nobody has waited for yet is dead.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return false
  }
}

it("a host that hangs in its module ends with a parent that is killed", async () => {
  await freshHost()
  const soft = softhsmDirectory()
  const script = scriptedModule(softhsmModulePath())
  script.set({ C_Initialize: { hang: true } })
  const frame = encodeFrame({ call: 1, name: "load", asked: { path: script.modulePath } }).toString("base64")
  const parent = spawn(process.execPath, ["-e", parentCode, entry, frame], { env: { ...process.env, ...soft.env } })
  try {
    const host = Number(
      await new Promise<string>((resolve) => parent.stdout.once("data", (text) => resolve(String(text))))
    )
    await expect.poll(() => script.calls("C_Initialize"), { timeout: 10_000 }).toBe(1)
    expect(isAlive(host)).toBe(true)
    parent.kill("SIGKILL")
    await expect.poll(() => isAlive(host), { timeout: 10_000 }).toBe(false)
  } finally {
    parent.kill("SIGKILL")
    script.cleanup()
    soft.cleanup()
  }
})
