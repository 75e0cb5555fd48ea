/** Looking at a mapper from outside: `--graph` before it runs, SIGUSR1 while it does. Needs the bundles of `npm run build`. */
import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, it } from "vitest"
import { startBroker, type TestBroker } from "../../support/broker.ts"
import { type TestPki, testPki } from "../../support/pki.ts"
import { run } from "../../support/run-command.ts"

const bin = join(import.meta.dirname, "../../../bin/tedge-mapper")

let dir: string
let pki: TestPki
let local: TestBroker
const running: Array<() => void> = []

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "graph-"))
  mkdirSync(join(dir, "run", "lock"), { recursive: true })
  pki = testPki({ deviceId: "dev01" })
  local = await startBroker()
  writeFileSync(
    join(dir, "tedge.toml"),
    `[config]
version = "2"
[run]
path = "${join(dir, "run")}"
[device]
cert_path = "${pki.deviceCertFile}"
key_path = "${pki.deviceKeyFile}"
[mqtt.client]
port = ${local.port}
[c8y]
url = "localhost"
mqtt = "localhost:1"
root_cert_path = "${pki.caFile}"
`
  )
})
afterEach(async () => {
  for (const kill of running.splice(0)) kill()
  await local.stop()
  pki.remove()
  rmSync(dir, { recursive: true, force: true })
})

const startMapper = () => {
  const env = { ...process.env, TEDGE_CONFIG_DIR: dir }
  const child = spawn(process.execPath, [bin, "c8y"], { stdio: ["ignore", "ignore", "pipe"], env })
  running.push(() => child.kill("SIGKILL"))
  let text = ""
  child.stderr.setEncoding("utf8").on("data", (data: string) => {
    text += data
  })
  const says = (pattern: RegExp): Promise<void> =>
    new Promise((resolve) => {
      const look = () => {
        if (!pattern.test(text)) return
        child.stderr.off("data", look)
        resolve()
      }
      child.stderr.on("data", look)
      look()
    })
  return { child, says, log: () => text }
}

it("--graph prints the actors and ends, also beside a mapper that runs", async () => {
  const { says } = startMapper()
  await says(/connected to local broker/)
  const { code, stdout } = await run(process.execPath, [bin, "c8y", "--graph"], {
    env: { ...process.env, TEDGE_CONFIG_DIR: dir }
  })
  expect(code).toBe(0)
  expect(stdout).toMatch(/^mapper: one_for_one, at most 3 restarts in 1m, then escalate\n/)
  expect(stdout).toMatch(/^'- mapper\/bridge: permanent, .* -> mapper\/local, mapper\/cloud, mapper\/health$/m)
})

it("SIGUSR1 makes a running mapper log each of its actors, each time, and it goes on", async () => {
  const { child, says, log } = startMapper()
  await says(/connected to local broker/)
  child.kill("SIGUSR1")
  await says(/mapper\/bridge: .*\n/)
  for (const actor of ["cryptoki", "local", "service", "cloud", "health", "bridge"])
    expect(log()).toMatch(new RegExp(`INFO tedge-mapper: mapper/${actor}: ready depth=\\d+/\\d+ .*handled=\\d+`))
  child.kill("SIGUSR1")
  await says(/mapper\/bridge: [\s\S]*mapper\/bridge: .*\n/)
  const ended = new Promise((resolve) => child.once("close", resolve))
  child.kill("SIGTERM")
  expect(await ended).toBe(0)
})
