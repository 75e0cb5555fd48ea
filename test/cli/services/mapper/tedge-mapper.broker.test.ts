/** The executable: lock, signals, exit codes, log lines. Needs the bundles of `npm run build`. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { startBroker, type TestBroker } from "../../../support/broker/broker.ts"
import { configureMapper, type MapperProcess, mapperProcess } from "../../../support/device/mapper-process.ts"
import { type TestPki, testPki } from "../../../support/tls/pki.ts"

let dir: string
let pki: TestPki
let local: TestBroker
let running: Array<MapperProcess>

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "tedge-mapper-"))
  pki = testPki({ deviceId: "dev01" })
  local = await startBroker()
  running = []
})
afterEach(async () => {
  for (const { child } of running) child.kill("SIGKILL")
  await local.stop()
  pki.remove()
  rmSync(dir, { recursive: true, force: true })
})

const configure = (more = "") => configureMapper({ dir, pki, localPort: local.port, more })

const mapper = (args?: ReadonlyArray<string>, environment?: NodeJS.ProcessEnv): MapperProcess => {
  const started = mapperProcess(dir, args, environment)
  running.push(started)
  return started
}

describe("tedge-mapper", () => {
  it("serves the local side without the cloud, reports it, and exits with 0 on SIGTERM", async () => {
    configure()
    const { child, ended, says, stderr } = mapper()
    await says(/INFO MQTT bridge: \[local\] MQTT bridge connected to local broker/)
    await says(
      /ERROR MQTT bridge: \[cloud\] MQTT bridge failed to connect to cloud broker: connection refused at localhost:1/
    )
    await local.waitForLog(/Received PUBLISH from tedge-mapper-c8y .*tedge-mapper-c8y\/status\/health/)
    child.kill("SIGTERM")
    expect(await ended).toBe(0)
    expect(stderr()).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z +INFO /)
    await local.waitForLog(/^Received DISCONNECT from tedge-mapper-bridge-c8y$/)
  })

  it("looks for the local broker every five seconds, however long that is away, and finds it again", async () => {
    configure()
    const { says, stderr } = mapper(["c8y", "--debug"])
    const connected = (count: number) => says(new RegExp(`(\\[local\\] MQTT bridge connected[^]*){${count}}`))
    await connected(1)
    await local.halt()
    // Pauses double from one second; the fifth would be 16 s.
    await says(/(\[local\] MQTT bridge failed to connect [\s\S]*){5}/)
    await local.restart()
    await connected(2)
    const pauses = [...stderr().matchAll(/\[local\] MQTT bridge failed to connect .*\(next attempt in (\d+) s\)/g)]
    expect(pauses.length).toBeGreaterThanOrEqual(5)
    expect(Math.max(...pauses.map(([, seconds]) => Number(seconds)))).toBeLessThanOrEqual(5)
  })

  it("leaves the time to the journal under systemd", async () => {
    configure()
    const { says, stderr } = mapper(["c8y"], { INVOCATION_ID: "0123" })
    await says(/connected to local broker/)
    expect(stderr()).toMatch(/^ INFO MQTT bridge: /m)
  })

  it("prints no packets, whatever DEBUG asks its libraries for", async () => {
    configure()
    const { says, stderr } = mapper(["c8y"], { DEBUG: "*" })
    await says(/connected to local broker/)
    expect(stderr()).not.toContain("mqtt-packet")
  })

  it("runs once: a second one is refused, and the lock is free when the first has exited", async () => {
    configure()
    const first = mapper()
    await first.says(/connected to local broker/)
    const lock = join(dir, "run", "lock", "tedge-mapper-c8y.lock")
    expect(readFileSync(lock, "utf8").trim()).toBe(String(first.child.pid))
    const second = mapper()
    expect(await second.ended).toBe(1)
    expect(second.stderr()).toMatch(/ERROR .*Another instance of tedge-mapper-c8y is running\./)
    first.child.kill("SIGKILL")
    await first.ended
    const third = mapper()
    await third.says(/connected to local broker/)
  })

  it("has a lock of its own for every profile, makes the place for it, and does not start where it cannot", async () => {
    configure(`[c8y.profiles.prod]
url = "localhost"
mqtt = "localhost:1"
root_cert_path = "${pki.caFile}"
[c8y.profiles.prod.bridge]
topic_prefix = "c8y-prod"
`)
    const one = mapper()
    await one.says(/connected to local broker/)
    const other = mapper(["c8y", "--profile", "prod"])
    await other.says(/connected to local broker/)
    expect(readFileSync(join(dir, "run", "lock", "tedge-mapper-c8y@prod.lock"), "utf8")).toBe(String(other.child.pid))
    one.child.kill("SIGTERM")
    await one.ended
    rmSync(join(dir, "run", "lock"), { recursive: true })
    const without = mapper()
    await without.says(/connected to local broker/)
    expect(await mapper().ended).toBe(1)
    without.child.kill("SIGTERM")
    await without.ended
    rmSync(join(dir, "run", "lock"), { recursive: true })
    writeFileSync(join(dir, "run", "lock"), "")
    const nowhere = mapper()
    await nowhere.says(/ERROR .*without a lock tedge-mapper-c8y does not start/)
    expect(await nowhere.ended).toBe(1)
  })

  it("reads its log level again at SIGHUP: the most particular line of system.toml, each time", async () => {
    configure()
    const system = (text: string) => writeFileSync(join(dir, "system.toml"), `[log]\n${text}`)
    const { child, says, stderr } = mapper()
    await says(/connected to local broker/)
    system('tedge-mapper = "error"\ntedge_mapper_c8y = "debug"\n')
    child.kill("SIGHUP")
    await says(/INFO tedge-mapper: log level: debug/)
    system('tedge-mapper = "error"\n')
    child.kill("SIGHUP")
    await says(/tedge-mapper: log level: error/)
    child.kill("SIGUSR1") // it would log its actors at INFO
    // Signals that wait are delivered by number, not by age.
    system('tedge-mapper = "warn"\n')
    child.kill("SIGHUP")
    await says(/tedge-mapper: log level: warn/)
    system("not toml")
    child.kill("SIGHUP")
    await says(/tedge-mapper: log level: info/)
    expect(stderr()).not.toMatch(/INFO .*mapper\/bridge: ready/)
  })

  it("does not mind SIGHUP", async () => {
    configure()
    const { child, ended, says } = mapper()
    await says(/connected to local broker/)
    child.kill("SIGHUP")
    child.kill("SIGUSR1")
    child.kill("SIGTERM")
    expect(await ended).toBe(0)
  })

  it.each([
    ["a setting is missing", "", /A value for 'c8y\.url' is missing|c8y\.url/],
    ["the bridge is mosquitto's", "[mqtt.bridge]\nbuilt_in = false\n", /built_in/]
  ])("ends with 1 and a sentence when %s", async (_what, more, sentence) => {
    configure(more)
    const missing = more === ""
    if (missing)
      writeFileSync(
        join(dir, "tedge.toml"),
        `[config]\nversion = "2"\n[run]\npath = "${dir}/run"\n[device]\ncert_path = "${pki.deviceCertFile}"\n`
      )
    const { ended, stderr } = mapper()
    expect(await ended).toBe(1)
    expect(stderr()).toMatch(sentence)
    expect(stderr()).not.toMatch(/\n\s+at /)
  })
})
