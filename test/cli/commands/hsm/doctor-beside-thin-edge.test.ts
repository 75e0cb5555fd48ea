/** What `tedge-hsm hsm doctor` finds beside thin-edge.io. Its mapper is a process that has its lock and its environment. */
import { type ChildProcess, spawn } from "node:child_process"
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest"
import { besideThinEdge } from "../../../../src/messages/installation/installation.ts"
import { type InProcess, tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { holdUnseen } from "../../../support/hold-unseen.ts"
import { tempDir } from "../../../support/temp-dir.ts"

let dir: string
let device: InProcess

const theirs = "tedge-mapper-c8y"
const marker = "# This file is left empty as the built-in bridge is enabled\n"

/** A service manager in which these units run; `systemctl` in the PATH says the same of them. */
const units = (name: string, active: ReadonlyArray<string>, renewer = "/usr/bin/tedge cert renew c8y"): void => {
  const ctl = join(dir, "bin", "systemctl")
  mkdirSync(dirname(ctl), { recursive: true })
  const isActive = active.map((unit) => `"is-active ${unit}") exit 0;;`).join(" ")
  writeFileSync(ctl, `#!/bin/sh\ncase "$*" in ${isActive} show*) echo "ExecStart={ ${renewer} }";; *) exit 3;; esac\n`)
  chmodSync(ctl, 0o755)
  vi.stubEnv("PATH", `${dirname(ctl)}:${process.env.PATH}`)
  const commands = ["restart", "stop", "start", "enable", "disable"]
    .map((action) => `${action} = ["${ctl}", "${action}", "{}"]\n`)
    .join("")
  writeFileSync(
    join(device.configDir, "system.toml"),
    `[init]\nname = "${name}"\nis_available = ["${ctl}"]\n${commands}is_active = ["${ctl}", "is-active", "{}"]\n`
  )
}

const playProcess = async (unit: string, environment: NodeJS.ProcessEnv = {}): Promise<ChildProcess> => {
  const lock = join(dir, "run", "lock", `${unit}.lock`)
  mkdirSync(dirname(lock), { recursive: true })
  const holding =
    "import sys, fcntl, os, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); f.write(str(os.getpid())); f.flush(); print('there', flush=True); time.sleep(600)"
  const child = spawn("python3", ["-c", holding, lock], { env: { PATH: process.env.PATH, ...environment } })
  onTestFinished(() => void child.kill("SIGKILL"))
  await new Promise((resolve) => child.stdout.once("data", resolve))
  return child
}

/** The line of a check, with its hint. */
const examined = async (check: string): Promise<string> => {
  const { stdout } = await device.tedge(["hsm", "doctor", "c8y"])
  const lines = stdout.replaceAll("\n    hint:", " hint:").split("\n")
  return lines.filter((line) => line.slice(2).startsWith(`${check}: `)).join("\n")
}

beforeEach(() => {
  dir = tempDir()
  device = tedgeInProcess(dir, { installation: besideThinEdge })
  device.settings('[c8y]\nurl = "127.0.0.1"\n')
  units("openrc", [])
})
afterEach(() => vi.unstubAllEnvs())

describe("tedge-hsm hsm doctor", () => {
  it("finds the built-in bridge of thin-edge.io's mapper beside ours, and that both have the device's id", async () => {
    const mapper = await playProcess(theirs)
    const bridge = await playProcess("tedge-bridge-c8y")
    expect(await examined("mapper of thin-edge.io")).toBe(
      `✗ mapper of thin-edge.io: ${theirs} (process ${mapper.pid}) has its built-in bridge: it runs without TEDGE_MQTT_BRIDGE_BUILT_IN=false hint: start it with TEDGE_MQTT_BRIDGE_BUILT_IN=false in its environment`
    )
    expect(await examined("device id in the cloud")).toBe(
      `✗ device id in the cloud: tedge-bridge-c8y (process ${bridge.pid}) and ${theirs} (process ${mapper.pid}) take the connection from each other hint: tedge-hsm reconnect c8y`
    )
  })

  it("finds it also when a second start has emptied the lock file", async () => {
    const mapper = await playProcess(theirs)
    writeFileSync(join(dir, "run", "lock", `${theirs}.lock`), "")
    expect(await examined("mapper of thin-edge.io")).toMatch(
      `${theirs} (process ${mapper.pid}) has its built-in bridge`
    )
    expect(await examined("device id in the cloud")).toBe(
      `✓ device id in the cloud: used by ${theirs} (process ${mapper.pid}) alone`
    )
  })

  it("names our bridge by the kernel's lock, and where that cannot be seen says so", async () => {
    const bridge = await playProcess("tedge-bridge-c8y")
    const lock = join(dir, "run", "lock", "tedge-bridge-c8y.lock")
    writeFileSync(lock, "1")
    expect(await examined("mapper")).toBe(`✓ mapper: tedge-bridge-c8y runs (process ${bridge.pid})`)
    bridge.kill("SIGKILL")
    await new Promise((resolve) => bridge.once("close", resolve))
    holdUnseen(lock)
    expect(await examined("mapper")).toBe("✓ mapper: tedge-bridge-c8y runs in a process that cannot be seen from here")
  })

  it("finds a bridge of mosquitto's to the same cloud", async () => {
    await playProcess("tedge-bridge-c8y")
    mkdirSync(join(device.configDir, "mosquitto-conf"))
    writeFileSync(join(device.configDir, "mosquitto-conf", "c8y-bridge.conf"), `${marker}connection edge_to_c8y\n`)
    expect(await examined("device id in the cloud")).toMatch(/^✗ .* and mosquitto, by its bridge in .*c8y-bridge.conf/)
  })

  it("is content with a mapper that only maps", async () => {
    const mapper = await playProcess(theirs, { TEDGE_MQTT_BRIDGE_BUILT_IN: "false" })
    const bridge = await playProcess("tedge-bridge-c8y")
    expect(await examined("mapper of thin-edge.io")).toBe(
      `✓ mapper of thin-edge.io: ${theirs} maps, and leaves the cloud to us (process ${mapper.pid})`
    )
    expect(await examined("device id in the cloud")).toBe(
      `✓ device id in the cloud: used by tedge-bridge-c8y (process ${bridge.pid}) alone`
    )
    expect(await examined("drop-in of the mapper")).toBe("")
  })

  it("finds that the drop-in is missing where systemd is the manager", async () => {
    units("systemd", [])
    expect(await examined("drop-in of the mapper")).toBe(
      `✗ drop-in of the mapper: /etc/systemd/system/${theirs}.service.d/tedge-hsm.conf is missing: at its next start ${theirs} connects to the cloud itself hint: tedge-hsm reconnect c8y`
    )
  })

  it("finds a certificate renewal that bypasses our bridge, until it runs tedge-hsm or is disabled", async () => {
    expect(await examined("certificate renewal")).toMatch(/^✓ .*tedge-cert-renewer@c8y.timer does not run/)
    units("openrc", ["tedge-cert-renewer@c8y.timer"])
    expect(await examined("certificate renewal")).toMatch(
      /^✗ .* hint: systemctl mask --now tedge-cert-renewer@c8y.timer/
    )
    const half = "/usr/bin/tedge-hsm cert renew c8y } ExecStartPost={ /usr/bin/tedge reconnect c8y"
    units("openrc", ["tedge-cert-renewer@c8y.timer"], half)
    expect(await examined("certificate renewal")).toMatch(/^✗ /)
    units("openrc", ["tedge-cert-renewer@c8y.timer"], "/usr/bin/tedge-hsm cert renew c8y")
    expect(await examined("certificate renewal")).toBe(
      "✓ certificate renewal: tedge-cert-renewer@c8y.service runs tedge-hsm"
    )
  })

  it("finds a PIN in a file that thin-edge.io's commands have made readable for everybody", async () => {
    device.settings('[c8y]\nurl = "127.0.0.1"\n[device.cryptoki]\npin = "12345678"\n')
    const file = join(device.configDir, "tedge.toml")
    chmodSync(file, 0o644)
    expect(await examined("settings files")).toBe(
      `✗ settings files: '${file}' holds a PIN or a password and may be read by others (mode 644) hint: tedge-hsm config upgrade moves it to secrets.toml; or: chmod 640 '${file}'`
    )
    chmodSync(file, 0o640)
    expect(await examined("settings files")).toMatch(
      /^✓ .* it belongs in '.*secrets\.toml' \(tedge-hsm config upgrade\)$/
    )
    device.settings('[c8y]\nurl = "127.0.0.1"\n')
    const secrets = join(device.configDir, "secrets.toml")
    writeFileSync(secrets, '[device.cryptoki]\npin = "12345678"\n')
    expect(await examined("settings files")).toBe(
      `✗ settings files: '${secrets}' holds a PIN or a password and may be read by others (mode 644) hint: chmod 640 '${secrets}'`
    )
    expect(await examined("secrets")).toBe("")
  })

  it("says nothing of all this where everything is ours", async () => {
    const alone = tedgeInProcess(tempDir())
    alone.settings('[c8y]\nurl = "127.0.0.1"\n')
    expect((await alone.tedge(["hsm", "doctor", "c8y"])).stdout).not.toMatch(/thin-edge|device id in the cloud/)
  })
})
