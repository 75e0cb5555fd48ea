/** The systemd units, judged by systemd-analyze. They were not run under a systemd that is PID 1. */
import { spawnSync } from "node:child_process"
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
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
    const done = analyze(["verify", "--man=no", ...readdirSync(dir).map((file) => join(dir, file))])
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

  it("are told that the service is ready, and how to make it read its settings again", () => {
    const text = readFileSync(join(folder, "tedge-p11-server.service"), "utf8")
    expect(text).toMatch(/^Type=notify$/m)
    expect(text).toMatch(/^ExecReload=\/bin\/sh -c 'kill -HUP \$MAINPID'$/m)
    expect(text).toMatch(/^KillMode=mixed$/m)
    // The drain (20 s) and the end of the token hosts come before systemd's patience ends.
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(text)?.[1])).toBeGreaterThanOrEqual(30)
  })

  it("let all services share what is known of refused PINs", () => {
    for (const unit of units.filter((file) => file.endsWith(".service")))
      expect(readFileSync(join(folder, unit), "utf8"), unit).toMatch(/^RuntimeDirectory=.*\btedge-pin-latch$/m)
  })

  it("leave no core file of a service that has a PIN, from its first moment", () => {
    for (const unit of units.filter((file) => file.endsWith(".service")))
      expect(readFileSync(join(folder, unit), "utf8"), unit).toMatch(/^LimitCORE=0$/m)
  })

  it("can be extended by each of the drop-ins", () => {
    const dropIns = join(folder, "tedge-p11-server.service.d")
    for (const file of readdirSync(dropIns)) {
      const dir = copied()
      const place = join(dir, "tedge-p11-server.service.d")
      mkdirSync(place)
      copyFileSync(join(dropIns, file), join(place, file.replace(".example", "")))
      const done = analyze(["verify", join(dir, "tedge-p11-server.service")])
      expect(
        done.stderr.split("\n").filter((line) => line.includes(file.replace(".example", ""))),
        file
      ).toEqual([])
    }
  })
})
