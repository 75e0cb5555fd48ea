/** `tedge reconnect` over the connection it cuts: its terminal goes away, the connection comes back. */
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { createDevice, type Device, eventually, executable, healthOf, servicesOf } from "../support/device/device.ts"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"

let dir: string
let device: Device

beforeAll(async () => {
  dir = makeTempDir()
  device = await createDevice({ dir, deviceId: "lost-terminal", pin: "123456" })
  const connected = await device.tedge(["connect", "c8y"])
  expect(connected.code, connected.stderr).toBe(0)
})
afterAll(async () => {
  await device.close()
  removeTempDir(dir)
})

let before: string
beforeEach(() => {
  before = log()
})

const log = (): string => {
  try {
    return readFileSync(join(device.dir, "log/tedge.log"), "utf8")
  } catch {
    return ""
  }
}
const newInLog = () => log().slice(before.length)
const mapper = () => servicesOf(device).find(({ command }) => command.includes("tedge-mapper"))?.pid

/** Starts `tedge` in a session of its own and answers at the moment `seen` is printed. */
const startedUntil = (words: ReadonlyArray<string>, seen: string, argv: ReadonlyArray<string> = []) =>
  new Promise<Started>((resolve) => {
    const [file = "", ...args] = [...argv, ...(argv.length > 0 ? [] : [executable("tedge"), ...words])]
    const child = spawn(file, args, { detached: true, env: device.env, stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    const ended = new Promise<number | null>((done) => child.once("close", done))
    const read = (text: string) => {
      output += text
      if (output.includes(seen)) resolve({ child, ended, output: () => output })
    }
    child.stdout.setEncoding("utf8").on("data", read)
    child.stderr.setEncoding("utf8").on("data", read)
  })

interface Started {
  readonly child: ReturnType<typeof spawn>
  readonly ended: Promise<number | null>
  readonly output: () => string
}

const firstStep = "Removing bridge config file... ✓"

describe("a terminal that goes away while `tedge reconnect` works", () => {
  it("by SIGHUP to the whole group: the rest is done, and the log has all of it", async () => {
    const old = mapper()
    const { child, ended } = await startedUntil(["reconnect", "c8y"], firstStep)
    process.kill(-Number(child.pid), "SIGHUP")
    expect(await ended).toBe(0)
    expect(mapper()).toEqual(expect.any(Number))
    expect(mapper()).not.toBe(old)
    expect(await healthOf(device, "tedge-mapper-c8y")).toMatchObject({ status: "up" })
    const logged = newInLog()
    expect(logged).toContain("reconnect to Cumulocity cloud.:")
    expect(logged).toContain("terminal lost (SIGHUP); the command continues without it")
    expect(logged).toContain("Verifying device is connected to cloud... ✓")
    expect(logged).toContain("tedge reconnect ended: exit code 0")
  })

  it("by a closed pipe at stdout and stderr", async () => {
    const { child, ended } = await startedUntil(["reconnect", "c8y"], firstStep)
    child.stdout?.destroy()
    child.stderr?.destroy()
    expect(await ended).toBe(0)
    expect(mapper()).toEqual(expect.any(Number))
    expect(newInLog()).toContain("terminal lost (EPIPE)")
    expect(newInLog()).toContain("tedge reconnect ended: exit code 0")
  })

  it("by the end of a real terminal", async () => {
    const command = `exec '${executable("tedge")}' reconnect c8y`
    const { child } = await startedUntil([], "Disabling tedge-mapper-c8y", ["script", "-qec", command, "/dev/null"])
    child.kill("SIGKILL") // the terminal's other end closes: the kernel sends SIGHUP, and writing answers EIO
    await eventually(() => newInLog().includes("tedge reconnect ended: exit code 0"), 60_000)
    expect(mapper()).toEqual(expect.any(Number))
  })

  it("before anything has begun: the command ends, and nothing was changed", async () => {
    const old = mapper()
    const child = spawn(executable("tedge"), ["reconnect", "c8y"], { env: device.env, stdio: "ignore" })
    const ended = new Promise<number | null>((done) => child.once("exit", done))
    await eventually(() => {
      try {
        // SigCgt has SIGHUP (bit 0) once it is handled.
        const caught = /SigCgt:\s*([0-9a-f]+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]
        return (Number.parseInt(caught?.at(-1) ?? "0", 16) & 1) === 1
      } catch {
        return true
      }
    })
    child.kill("SIGHUP")
    const code = await ended
    expect([129, 0]).toContain(code) // 0: it was quicker than we were
    if (code === 129) expect(mapper()).toBe(old)
  })
})

describe("Ctrl-C while the old mapper ends", () => {
  it("brings the mapper back: it says so, and it does run", async () => {
    const old = mapper()
    const { child, ended, output } = await startedUntil(["reconnect", "c8y"], firstStep)
    child.kill("SIGINT")
    expect(await ended).toBe(130)
    expect(output()).toContain("the mapper for Cumulocity is running again")
    expect(mapper()).toEqual(expect.any(Number))
    expect(mapper()).not.toBe(old)
    await eventually(async () => (await healthOf(device, "tedge-mapper-c8y"))?.status === "up", 60_000)
  })
})
