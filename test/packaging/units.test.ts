/** The systemd units, judged by systemd-analyze. They were not run under a systemd that is PID 1. */
import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { tempDir } from "../support/temp-dir.ts"

const folder = join(import.meta.dirname, "../../packaging/systemd")
const units = readdirSync(folder).filter((file) => /\.(service|socket)$/.test(file))

/** A copy of all units whose executables exist on every machine: what is not installed is no fault of the unit. */
const copied = (): string => {
  const dir = tempDir()
  for (const unit of units) {
    const text = readFileSync(join(folder, unit), "utf8").replace(/\/usr\/bin\/tedge-[a-z0-9-]+/g, "/bin/true")
    writeFileSync(join(dir, unit.replace("@.", "@prod.")), text)
  }
  return dir
}

const analyze = (args: ReadonlyArray<string>) => spawnSync("systemd-analyze", args, { encoding: "utf8" })

describe("the systemd units", () => {
  it("are understood by systemd without a complaint", () => {
    const dir = copied()
    const done = analyze(["verify", ...readdirSync(dir).map((file) => join(dir, file))])
    expect(done.error).toBeUndefined()
    const complaints = done.stderr
      .split("\n")
      .filter((line) => units.some((unit) => line.startsWith(unit.split(".")[0] ?? "")))
    expect(complaints).toEqual([])
  })

  it("keep the signing service in a sandbox that systemd rates below 2 of 10", () => {
    const dir = copied()
    const done = analyze(["security", "--offline=true", "--threshold=20", join(dir, "tedge-p11-server.service")])
    expect(done.status).toBe(0)
  })

  it("do not run the signing service as root, and leave memory executable, which V8 needs", () => {
    const text = readFileSync(join(folder, "tedge-p11-server.service"), "utf8")
    expect(text).toMatch(/^User=tedge$/m)
    expect(text).not.toMatch(/^MemoryDenyWriteExecute=/m)
  })
})
