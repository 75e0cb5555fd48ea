/** PINs are in the memory of the processes that use them, whose crash must not write that memory to a disk. */

import { spawn } from "node:child_process"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Redacted } from "effect"
import { describe, expect, it, onTestFinished } from "vitest"
import { ask } from "../../../actors/p11-server/served.ts"
import { eventually, executable, processesOf } from "../../../support/device/device.ts"
import { signal as sendSignal } from "../../../support/signal.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { serverPlace } from "./server-process.ts"

/** Starts a program where cores are allowed. */
const withCores = ["bash", "-c", 'ulimit -c unlimited; exec "$@"', "bash"] as const

const coreLimit = (pid: number): string | undefined =>
  /^Max core file size +(.*?) +bytes/m.exec(readFileSync(`/proc/${pid}/limits`, "utf8"))?.[1]

const cores = (dir: string) => readdirSync(dir).filter((name) => /^core(\.\d+)?$/.test(name))

const crash = async (pid: number, signal: NodeJS.Signals, dir: string) => {
  const before = cores("/")
  sendSignal(pid, signal)
  await eventually(() => processesOf(dir).every((one) => one.pid !== pid))
  return [...cores(dir), ...cores("/").filter((name) => !before.includes(name))]
}

const noCores = "0                    0"

describe("a process that has the PIN, started where cores are allowed", () => {
  it("writes one if it is none of ours (or this test shows nothing)", async () => {
    const dir = tempDir()
    const [shell, ...words] = withCores
    const child = spawn(shell, [...words, process.execPath, "-e", "setInterval(() => {}, 1000)"], { cwd: dir })
    onTestFinished(() => void child.kill("SIGKILL"))
    const ended = new Promise((resolve) => child.once("close", resolve))
    await eventually(() => coreLimit(child.pid ?? 0)?.startsWith("unlimited") === true)
    await eventually(() => readFileSync(`/proc/${child.pid}/cmdline`, "utf8").includes("setInterval"))
    child.kill("SIGABRT")
    await ended
    // Elsewhere cores go to a program or another directory; there the limits below are the proof.
    if (readFileSync("/proc/sys/kernel/core_pattern", "utf8").startsWith("core")) expect(cores(dir)).toHaveLength(1)
  })

  it("leaves none: tedge-p11-server and its token host", async () => {
    const place = serverPlace()
    place.hsm.addToken().importKey()
    const server = place.start({ command: withCores })
    await server.logged("Server listening")
    const request = { _tag: "SignRequest", toSign: Uint8Array.of(1), uri: undefined } as const
    const sign = () => ask(place.socketPath, { ...request, pin: Redacted.make("123456") })
    for (const signal of ["SIGSEGV", "SIGABRT"] as const) {
      expect(await sign()).toMatchObject({ _tag: "SignResponse" })
      const host = processesOf(place.hsm.dir).find(({ command }) => command.includes("token-host"))?.pid ?? 0
      expect([coreLimit(server.child.pid ?? 0), coreLimit(host)]).toEqual([noCores, noCores])
      expect(await crash(host, signal, place.dir)).toEqual([])
    }
    expect(await crash(server.child.pid ?? 0, "SIGABRT", place.dir)).toEqual([])
    await server.ended
  })

  it("leaves none: tedge-mapper", async () => {
    const dir = tempDir()
    const toml = [
      ["[run]", `path = "${dir}"`],
      ["[device]", 'id = "d"', 'key_pin = "4711"'],
      ["[c8y]", 'url = "localhost"'],
      ["[mqtt.client]", "port = 1"]
    ]
    writeFileSync(join(dir, "tedge.toml"), toml.flat().join("\n"), { mode: 0o640 })
    const [shell, ...words] = withCores
    const mapper = spawn(shell, [...words, executable("tedge-mapper"), "--config-dir", dir, "c8y"], { cwd: dir })
    onTestFinished(() => void mapper.kill("SIGKILL"))
    const ended = new Promise((resolve) => mapper.once("close", resolve))
    await eventually(() => coreLimit(mapper.pid ?? 0) === noCores)
    expect(await crash(mapper.pid ?? 0, "SIGSEGV", dir)).toEqual([])
    await ended
  })
})
