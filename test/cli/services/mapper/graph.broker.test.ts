/** Looking at a mapper from outside: `--graph` before it runs, SIGUSR1 while it does. Needs the bundles of `npm run build`. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, it } from "vitest"
import { run } from "../../../../scripts/lib/run.mjs"
import { startBroker, type TestBroker } from "../../../support/broker/broker.ts"
import { configureMapper, mapperBin, mapperProcess } from "../../../support/device/mapper-process.ts"
import { type TestPki, testPki } from "../../../support/tls/pki.ts"

let dir: string
let pki: TestPki
let local: TestBroker
const running: Array<() => void> = []

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "graph-"))
  pki = testPki({ deviceId: "dev01" })
  local = await startBroker()
  configureMapper({ dir, pki, localPort: local.port })
})
afterEach(async () => {
  for (const kill of running.splice(0)) kill()
  await local.stop()
  pki.remove()
  rmSync(dir, { recursive: true, force: true })
})

const startMapper = () => {
  const mapper = mapperProcess(dir)
  running.push(() => mapper.child.kill("SIGKILL"))
  return mapper
}

it("--graph prints the actors and ends, also beside a mapper that runs", async () => {
  const { says } = startMapper()
  await says(/connected to local broker/)
  const { code, stdout } = await run(process.execPath, [mapperBin, "c8y", "--graph"], {
    env: { ...process.env, TEDGE_CONFIG_DIR: dir }
  })
  expect(code).toBe(0)
  expect(stdout).toMatch(/^mapper: one_for_one, at most 3 restarts in 1m, then escalate\n/)
  expect(stdout).toMatch(/^'- mapper\/bridge: permanent, .* -> mapper\/local, mapper\/cloud, mapper\/health$/m)
})

it("SIGUSR1 makes a running mapper log each of its actors, each time, and it goes on", async () => {
  const { child, ended, says, stderr } = startMapper()
  await says(/connected to local broker/)
  child.kill("SIGUSR1")
  await says(/mapper\/bridge: .*\n/)
  for (const actor of ["cryptoki", "local", "service", "cloud", "health", "bridge"])
    expect(stderr()).toMatch(new RegExp(`INFO tedge-mapper: mapper/${actor}: ready depth=\\d+/\\d+ .*handled=\\d+`))
  child.kill("SIGUSR1")
  await says(/mapper\/bridge: [\s\S]*mapper\/bridge: .*\n/)
  child.kill("SIGTERM")
  expect(await ended).toBe(0)
})
