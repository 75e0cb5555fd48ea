/** `tedge status` as a person runs it, beside real mappers. Needs the bundles of `npm run build`. */
import { spawn } from "node:child_process"
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { run } from "../../../../scripts/lib/run.mjs"
import { serviceSocketPath } from "../../../../src/messages/service-socket.ts"
import { startBroker, type TestBroker } from "../../../support/broker/broker.ts"
import { joinBroker } from "../../../support/broker/mqtt-peer.ts"
import { executable } from "../../../support/device/device.ts"
import { configureMapper, mapperProcess } from "../../../support/device/mapper-process.ts"
import { signal } from "../../../support/signal.ts"
import { isRoot, testUser } from "../../../support/test-user.ts"
import { type TestPki, testPki } from "../../../support/tls/pki.ts"
import { softhsmToken } from "../../../support/token/softhsm.ts"

let dir: string
let pki: TestPki
let local: TestBroker
let cloud: TestBroker
const ends: Array<() => unknown> = []

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "status-"))
  pki = testPki({ deviceId: "dev01" })
  local = await startBroker()
  const tls = { certFile: pki.serverCertFile, keyFile: pki.serverKeyFile, caFile: pki.caFile }
  cloud = await startBroker({ requireCertificate: true, tls })
  configureMapper({ dir, pki, localPort: local.port, cloudPort: cloud.port })
})
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
  await Promise.all([local.stop(), cloud.stop()])
  pki.remove()
  rmSync(dir, { recursive: true, force: true })
})

const startMapper = async (environment: NodeJS.ProcessEnv = {}) => {
  const mapper = mapperProcess(dir, ["c8y"], environment)
  ends.push(() => mapper.child.kill("SIGKILL"))
  await mapper.says(/connected to local broker/)
  return mapper
}

const env = () => ({ ...process.env, TEDGE_CONFIG_DIR: dir })

const status = (...words: ReadonlyArray<string>) => run(executable("tedge"), ["status", ...words], { env: env() })

const report = async (...words: ReadonlyArray<string>) => {
  const { code, stdout } = await status("--json", ...words)
  return { code, report: JSON.parse(stdout) }
}

const inOneLine = (text: string): string => text.replaceAll(/\s+/g, " ")

/** Asks until the condition holds. On a busy machine a mapper may not answer within the second it is given: no snapshot. */
const until = async (holds: (asked: Awaited<ReturnType<typeof report>>) => boolean) => {
  for (;;) {
    const asked = await report()
    if (holds(asked)) return asked
  }
}

/** Something in the place of a mapper. */
const playMapper = (onLine: (answer: (line: string) => void) => void): Promise<Server> => {
  const path = serviceSocketPath(join(dir, "run"), "tedge-mapper-c8y")
  mkdirSync(dirname(path), { recursive: true })
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.on("error", () => {}).on("data", () => onLine((line) => socket.write(`${line}\n`)))
    })
    ends.push(() => server.close())
    server.listen(path, () => resolve(server))
  })
}

describe("tedge status", () => {
  it("shows a connection that is up, with what went through it, and ends with 0", async () => {
    await startMapper()
    await until(({ code }) => code === 0)
    const peer = await joinBroker(local.port)
    ends.push(() => peer.close())
    for (let number = 0; number < 3; number += 1) await peer.publish("c8y/s/us", `200,a,b,${number}`)
    const { report: seen } = await until(
      ({ report: { connections } }) => connections[0].service.snapshot?.bridge.outbound.messages === 3
    )
    expect(seen).toMatchObject({
      version: 1,
      connections: [
        {
          cloud: "c8y",
          state: "up",
          service: {
            name: "tedge-mapper-c8y",
            snapshot: {
              connection: { device_id: "dev01", link: { state: "up", port: cloud.port }, handshake: "signed" },
              bridge: { outbound: { messages: 3, waiting: 0 } },
              broker: { state: "up", port: local.port }
            }
          }
        }
      ]
    })
    const { code, stdout } = await status("c8y")
    expect(code).toBe(0)
    expect(stdout).toMatch(/^Cumulocity \(c8y\) up for \d/)
    expect(stdout).toMatch(/ {2}cloud +localhost:\d+, dev01\n/)
    expect(stdout).toMatch(/3 in all/)
  })

  it("says that the cloud is away, why, and when it is tried again, and ends with 3", async () => {
    await startMapper()
    await until(({ code }) => code === 0)
    await cloud.halt()
    const { code, report: seen } = await until(
      ({ report: { connections } }) => connections[0].service.snapshot?.connection.link.state === "down"
    )
    expect(code).toBe(3)
    expect(seen.connections[0].service.snapshot.connection.link).toMatchObject({
      error: expect.any(String),
      retry_at: expect.any(Number),
      last_lost: { at: expect.any(Number) }
    })
    expect((await status()).stdout).toMatch(
      /^Cumulocity \(c8y\) down[\s\S]* {2}why +localhost:[\s\S]* {2}next try +in /
    )
    await cloud.restart()
    await until(({ code: again }) => again === 0)
  })

  it("says that the mapper does not run, and how to start it, and ends with 3", async () => {
    const { code, stdout } = await status("c8y")
    expect(code).toBe(3)
    expect(stdout).toMatch(/'tedge-mapper-c8y' is not running/)
    expect(stdout).toMatch(/start it: tedge connect c8y/)
    expect(stdout).toMatch(/certificate +its key is in a file, .* left/)
  })

  it("names a mapper that hangs, does not wait for it, and ends with 1", async () => {
    const { child } = await startMapper()
    await until(({ code }) => code === 0)
    signal(child.pid, "SIGSTOP")
    const { code, stdout } = await status()
    expect(code).toBe(1)
    expect(stdout).toMatch(/'tedge-mapper-c8y' is running but did not respond within 1 s/)
  })

  it("names a service of another version, and ends with 1", async () => {
    await playMapper((answer) => answer('{"version":1,"error":"not a question of version 1"}'))
    const { code, stdout } = await status()
    expect(code).toBe(1)
    expect(stdout).toMatch(/does not report its status \(not a question of version 1\)/)
  })

  it("lists a connection whose settings are not valid beside one that is up, and ends with 1", async () => {
    await startMapper()
    await until(({ code }) => code === 0)
    appendFileSync(join(dir, "tedge.toml"), '\n[az]\nurl = "https://v.example/"\n')
    const { code, stdout } = await status()
    expect(code).toBe(1)
    expect(stdout).toMatch(/^Cumulocity \(c8y\) up for \d[\s\S]*Azure IoT \(az\) unknown\n {2}why +.*az\.url/)
  })

  it("shows what runs beside one wrong line in the settings, and ends with 1; --json stays one object", async () => {
    await startMapper()
    await until(({ code }) => code === 0)
    const path = join(dir, "tedge.toml")
    const good = readFileSync(path, "utf8")
    writeFileSync(
      path,
      good.replace(/^mqtt\.client\.port.*$|^port *=.*$/m, (line) => line.replace(/=.*/, '= "none"'))
    )
    const { code, stdout } = await status()
    expect(code).toBe(1)
    expect(inOneLine(stdout)).toMatch(/^ note .*port.*Cumulocity \(c8y\) up for /)
    const asked = await report()
    expect(asked).toMatchObject({ code: 1, report: { note: expect.any(String), connections: [{ state: "up" }] } })
    // Nothing is known at all.
    expect(await report("aws")).toMatchObject({
      code: 1,
      report: { version: 1, connections: [], note: expect.any(String) }
    })
  })

  it("reports that nothing, or not the named connection, is configured, and exits with 1", async () => {
    const { code, stderr } = await status("aws")
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /^error: no connection to aws is configured\nhint: name the cloud: tedge config set aws\.url/
    )
  })

  it("--watch prints a line each second into a pipe, and ends with 130 on Ctrl-C", async () => {
    await startMapper()
    await until(({ code }) => code === 0)
    const child = spawn(executable("tedge"), ["status", "--watch"], { env: env(), stdio: ["ignore", "pipe", "pipe"] })
    ends.push(() => child.kill("SIGKILL"))
    let text = ""
    const ended = new Promise((resolve) => child.once("close", resolve))
    await new Promise<void>((resolve) =>
      child.stdout.setEncoding("utf8").on("data", (more: string) => {
        text += more
        if (text.split("\n").length > 3) resolve()
      })
    )
    child.kill("SIGINT")
    expect(await ended).toBe(130)
    for (const line of text.trim().split("\n")) expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z c8y: (up|down) for /)
    expect(text).not.toContain("\u001b")
  })
})

it("--watch keeps a connection that is down on its list, with the reason, when the settings become invalid", async () => {
  const child = spawn(executable("tedge"), ["status", "--watch"], { env: env(), stdio: ["ignore", "pipe", "pipe"] })
  ends.push(() => child.kill("SIGKILL"))
  const lines: Array<string> = []
  let look = () => {}
  child.stdout.setEncoding("utf8").on("data", (more: string) => {
    lines.push(...more.split("\n"))
    look()
  })
  const until = (holds: () => boolean) =>
    new Promise<void>((resolve) => {
      look = () => holds() && resolve()
      look()
    })
  await until(() => lines.some((line) => line.includes(" c8y: down")))
  writeFileSync(join(dir, "tedge.toml"), "not TOML")
  await until(() => /tedge\.toml/.test(lines.at(-3) ?? ""))
  expect(lines.at(-2)).toContain(" c8y: down")
})

describe("tedge status, of a key in a token", () => {
  it("shows token and signatures, and says that the token is away; the PIN is nowhere", async () => {
    const token = softhsmToken({ label: "my-token" })
    ends.push(token.cleanup)
    token.importKey({ label: "my-key", privateKeyPem: readFileSync(pki.deviceKeyFile, "utf8") })
    const more = `device.key_uri = "pkcs11:token=my-token;object=my-key?pin-value=${token.pin}"
[device.cryptoki]
mode = "module"
module_path = "${token.modulePath}"
`
    configureMapper({ dir, pki, localPort: local.port, cloudPort: cloud.port, more })
    chmodSync(join(dir, "tedge.toml"), 0o600)
    await startMapper(token.env)
    const signed = await until(({ code }) => code === 0)
    expect(signed.report.connections[0].service.snapshot).toMatchObject({
      connection: { handshake: "signed", certificate: { key: "token" } },
      key: {
        via: "module",
        path: token.modulePath,
        uri: expect.stringContaining("token=my-token"),
        signatures: { count: 1, failed: 0, last: { outcome: "ok" } },
        tokens: [{ token: "my-token", state: "there", pin: "ok", signatures: { count: 1, failed: 0 } }]
      },
      signature: { outcome: "ok", hops: expect.arrayContaining([expect.objectContaining({ name: "sign" })]) },
      actors: expect.arrayContaining([expect.objectContaining({ name: "cryptoki/my-token", state: "ready" })])
    })
    token.erase()
    await cloud.restart()
    const away = await until(
      ({ report: { connections } }) => connections[0].service.snapshot?.connection.link.error_tag === "SigningFailed"
    )
    expect(away.code).toBe(3)
    expect(away.report.connections[0].service.snapshot.key.tokens).toEqual([
      expect.objectContaining({ token: "my-token", state: "gone" })
    ])
    const { stdout } = await status()
    expect(stdout).toMatch(/ {2}token +'my-token', gone for /)
    for (const text of [stdout, JSON.stringify(signed.report), JSON.stringify(away.report)])
      expect(text).not.toContain(token.pin)
  })
})

describe.runIf(isRoot)("tedge status, as a user without rights", () => {
  it("names the settings that it may not read where no service runs, and ends with 1", () => {
    const user = testUser()
    ends.push(user.remove)
    chmodSync(dir, 0o755)
    chmodSync(join(dir, "tedge.toml"), 0o600)
    const run = [`TEDGE_RUN_PATH=${join(dir, "run")}`, executable("tedge"), "--config-dir", dir, "status"]
    const { status: code, output } = user.run("env", run)
    expect(code).toBe(1)
    expect(output).toMatch(/^error: '.*tedge\.toml' cannot be read: permission denied\nhint: run it as root \(sudo\)$/m)
    // Of `bin`, whatever system.toml says: the group that may read them.
    chownSync(join(dir, "tedge.toml"), 0, 2)
    chmodSync(join(dir, "tedge.toml"), 0o640)
    expect(user.run("env", run).output).toMatch(
      /\nhint: run it as root \(sudo\), or join the group and log in again: sudo usermod -aG bin <USER>\n/
    )
  })

  it("says what to do, and works for a member of the service's group, who may not read the secrets", async () => {
    await startMapper()
    await until(({ code }) => code === 0)
    const user = testUser()
    ends.push(user.remove)
    chmodSync(dir, 0o755)
    chmodSync(join(dir, "tedge.toml"), 0o600)
    const ask = () => user.run(executable("tedge"), ["--config-dir", dir, "status"])
    const path = serviceSocketPath(join(dir, "run"), "tedge-mapper-c8y")
    // Whose settings are closed to the user as well.
    const blind = user.run("env", [
      `TEDGE_RUN_PATH=${join(dir, "run")}`,
      executable("tedge"),
      "--config-dir",
      dir,
      "status"
    ])
    expect(blind.status).toBe(1)
    expect(inOneLine(blind.output)).toMatch(/^ note '.*tedge\.toml' cannot be read: .* next step run it as root/)
    expect(inOneLine(blind.output)).toMatch(
      /'tedge-mapper-c8y' cannot be queried: .* is accessible to root and to the service's user and group/
    )
    chmodSync(join(dir, "tedge.toml"), 0o644)
    const refused = ask()
    expect(refused.status).toBe(1)
    expect(inOneLine(refused.output)).toMatch(/next step run it as root \(sudo\) /)
    chownSync(path, 0, 2)
    expect(inOneLine(ask().output)).toMatch(/or join the group and log in again: sudo usermod -aG bin <USER>/)
    chownSync(path, 0, user.extraGroup.gid)
    const member = ask()
    expect(member.output).toMatch(/^Cumulocity \(c8y\) up for /)
    expect(member.status).toBe(0)
  })
})

it("a mapper that ends leaves no socket behind", async () => {
  const { child, ended } = await startMapper()
  const path = serviceSocketPath(join(dir, "run"), "tedge-mapper-c8y")
  await expect.poll(() => existsSync(path)).toBe(true)
  child.kill("SIGTERM")
  expect(await ended).toBe(0)
  expect(existsSync(path)).toBe(false)
})
