/** The systemd units and what lies beside them, judged by systemd-analyze. test/install runs them under a systemd that is PID 1. */
import { spawnSync } from "node:child_process"
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { tempDir } from "../support/temp-dir.ts"

const folder = join(import.meta.dirname, "../../packaging/systemd")
const dropIns = join(folder, "drop-ins")
const units = readdirSync(folder).filter((file) => /\.(service|socket)$/.test(file))
const services = units.filter((file) => file.endsWith(".service"))
const tmpfiles = readFileSync(join(folder, "../tmpfiles.d/tedge-actors.conf"), "utf8")

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

  it("keep every service in a sandbox that systemd rates below 2 of 10", () => {
    const dir = copied()
    for (const unit of services.map((file) => file.replace("@.", "@prod."))) {
      const done = analyze(["security", "--offline=true", "--threshold=20", join(dir, unit)])
      expect(done.status, unit).toBe(0)
    }
  })

  it("run no service as root, and leave memory executable, which V8 needs", () => {
    for (const unit of services) {
      const text = readFileSync(join(folder, unit), "utf8")
      expect(text, unit).toMatch(/^User=tedge$/m)
      expect(text, unit).not.toMatch(/^MemoryDenyWriteExecute=/m)
    }
  })

  it("of mappers differ in the cloud and the profile only", () => {
    const names = /Cumulocity|Azure IoT|AWS IoT|(?<=tedge-mapper )(?:c8y|az|aws)| \(profile %i\)| --profile %i/g
    const texts = services
      .filter((file) => file.startsWith("tedge-mapper-"))
      .map((file) => readFileSync(join(folder, file), "utf8").replaceAll(names, ""))
    expect(texts).toHaveLength(6)
    expect(new Set(texts).size).toBe(1)
  })

  it("of the bridge beside thin-edge.io differ from those of the mapper in names only", () => {
    const bridges = services.filter((file) => file.startsWith("tedge-bridge-"))
    expect(bridges).toHaveLength(6)
    for (const unit of bridges) {
      const mapper = readFileSync(join(folder, unit.replace("tedge-bridge-", "tedge-mapper-")), "utf8")
      const asBridge = mapper
        .replace("Description=thin-edge.io:", "Description=Bridge beside thin-edge.io:")
        .replace("/usr/bin/tedge-mapper", "/usr/bin/tedge-hsm-bridge")
        .replaceAll(/^#.*$/gm, (comment) => comment.replace("mapper", "bridge"))
      expect(readFileSync(join(folder, unit), "utf8"), unit).toBe(asBridge)
    }
  })

  it("wait for no network, and start what is missing not over and over", () => {
    for (const unit of services) {
      const text = readFileSync(join(folder, unit), "utf8")
      expect(text, unit).not.toContain("network-online")
      // EXEC, USER, GROUP of systemd.exec(5); 126 and 127 of env(1).
      expect(text, unit).toMatch(/^RestartPreventExitStatus=126 127 203 216 217\b/m)
    }
  })

  it("are notified of ready, and can reload the service", () => {
    const text = readFileSync(join(folder, "tedge-p11-server.service"), "utf8")
    expect(text).toMatch(/^Type=notify$/m)
    expect(text).toMatch(/^ExecReload=\/bin\/sh -c 'kill -HUP \$MAINPID'$/m)
    expect(text).toMatch(/^KillMode=mixed$/m)
    // The drain (20 s) and the end of the token hosts come before systemd's patience ends.
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(text)?.[1])).toBeGreaterThanOrEqual(30)
  })

  it("let all services share what is known of refused PINs, in a directory that they do not change", () => {
    for (const unit of services) {
      const text = readFileSync(join(folder, unit), "utf8")
      expect(text, unit).toMatch(/^ReadWritePaths=.* -\/run\/tedge-pin-latch\b/m)
      expect(text, unit).not.toMatch(/^RuntimeDirectory=.*tedge-pin-latch/m)
    }
    expect(tmpfiles).toMatch(/^d \/run\/tedge-pin-latch 2770 root tedge -$/m)
    // Not the whole group: a member could take records away, and try PINs again.
    expect(tmpfiles).toMatch(/^a \/run\/tedge-pin-latch - - - - user:tedge:rwx,group::r-x,mask::rwx$/m)
  })

  it("make the directory of the services' sockets as tmpfiles does", () => {
    expect(tmpfiles).toMatch(/^d \/run\/tedge-actors 0755 tedge tedge -$/m)
    for (const unit of services.filter((file) => file.startsWith("tedge-mapper-"))) {
      const text = readFileSync(join(folder, unit), "utf8")
      expect(text, unit).toMatch(/^RuntimeDirectory=tedge-actors$/m)
      expect(text, unit).not.toMatch(/^RuntimeDirectoryMode=/m)
    }
  })

  it("remove the socket when it is stopped", () => {
    expect(readFileSync(join(folder, "tedge-p11-server.socket"), "utf8")).toMatch(/^RemoveOnStop=yes$/m)
  })

  it("leave no core file of a service that has a PIN, from its first moment", () => {
    for (const unit of services) expect(readFileSync(join(folder, unit), "utf8"), unit).toMatch(/^LimitCORE=0$/m)
  })

  it.each(["tedge-p11-server.service", "tedge-mapper-c8y.service"])("can be extended by the drop-ins: %s", (unit) => {
    for (const file of readdirSync(dropIns).filter((name) => name.endsWith(".conf.example"))) {
      const dir = copied()
      const place = join(dir, `${unit}.d`)
      mkdirSync(place)
      copyFileSync(join(dropIns, file), join(place, file.replace(".example", "")))
      const done = analyze(["verify", "--man=no", join(dir, unit)])
      expect(
        done.stderr.split("\n").filter((line) => line.includes(file.replace(".example", ""))),
        file
      ).toEqual([])
    }
  })

  it("send tpm2-pkcs11 to the kernel's resource manager, unless the environment file says otherwise", () => {
    const text = readFileSync(join(folder, "tedge-p11-server.service"), "utf8")
    expect(text).toMatch(/^Environment=TPM2_PKCS11_TCTI=device:\/dev\/tpmrm0\nEnvironmentFile=/m)
  })

  it("run the signing service as root only by a drop-in that warns, and then its module too", () => {
    const text = readFileSync(join(dropIns, "root.conf.example"), "utf8")
    expect(text).toMatch(/^# Warning: /m)
    expect(text).toMatch(/^User=root\nGroup=tedge\nEnvironment=TEDGE_P11_SERVER_TOKEN_USER=root$/m)
    // Two users of one RuntimeDirectory= would take it from each other.
    expect(text).toMatch(/^RuntimeDirectory=\nRuntimeDirectory=tedge-p11-server tedge-actors-root$/m)
  })

  it("demand a PIN credential that is configured", () => {
    const text = readFileSync(join(dropIns, "pin-credential.conf.example"), "utf8")
    expect(text).toMatch(/^Environment=TEDGE_P11_SERVER_PIN_FILE=%d\/tedge-pin$/m)
  })
})
