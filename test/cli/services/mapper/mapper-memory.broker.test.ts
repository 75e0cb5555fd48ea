/** Memory of a mapper whose neighbours send messages that are far too large. Needs the bundles of `npm run build`. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connectAsync, type MqttClient } from "mqtt"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { startBroker } from "../../../support/broker/broker.ts"
import { playBroker, pourPublish } from "../../../support/broker/played-broker.ts"
import { configureMapper, type MapperProcess, mapperProcess } from "../../../support/device/mapper-process.ts"
import { surelyGrownMeanwhile } from "../../../support/memory-growth.ts"
import { type TestPki, testPki } from "../../../support/tls/pki.ts"
import { startTlsServer } from "../../../support/tls/tls-server.ts"

let dir: string
let pki: TestPki
let mapper: MapperProcess | undefined
let leave: Array<() => unknown>

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "tedge-memory-"))
  pki = testPki({ deviceId: "dev01" })
  leave = []
})
afterEach(async () => {
  mapper?.child.kill("SIGKILL")
  await Promise.all(leave.map((go) => go()))
  pki.remove()
  rmSync(dir, { recursive: true, force: true })
})

const startMapper = async (ports: { readonly localPort: number; readonly cloudPort: number }) => {
  const more = '[mqtt.bridge.reconnect_policy]\ninitial_interval = "100ms"\nmaximum_interval = "300ms"\n'
  configureMapper({ dir, pki, ...ports, more })
  mapper = mapperProcess(dir)
  await mapper.says(/\[local\] MQTT bridge connected/)
  return memoryOf(mapper.child.pid ?? 0)
}

/** What it has now, and the most it ever had from here on; above what it had here. */
const memoryOf = (pid: number) => {
  const mebibytes = (name: string) =>
    Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024
  // The high-water mark begins anew: proc(5), clear_refs.
  writeFileSync(`/proc/${pid}/clear_refs`, "5")
  const before = mebibytes("VmRSS")
  return { now: () => mebibytes("VmRSS") - before, peak: () => mebibytes("VmHWM") - before }
}

const isBounded = async ({ now, peak }: ReturnType<typeof memoryOf>) => {
  expect(await surelyGrownMeanwhile(now)).toBeLessThan(most)
  expect(peak()).toBeLessThan(most)
}

/** MiB; a message of 200 MB that is kept shows, and so do its pieces. */
const most = 80

const megabyte = 1_000_000

const join200 = async (port: number): Promise<MqttClient> => {
  const client = await connectAsync({ host: "127.0.0.1", port })
  leave.push(() => client.endAsync(true))
  return client
}

describe("the memory of a mapper", () => {
  it("does not hold a message of 200 MB on the local broker, and what comes after it arrives", async () => {
    const local = await startBroker({ lines: ["log_type error"] })
    const tls = { certFile: pki.serverCertFile, keyFile: pki.serverKeyFile, caFile: pki.caFile }
    const cloud = await startBroker({ tls, requireCertificate: true, lines: ["log_type all"] })
    const memory = await startMapper({ localPort: local.port, cloudPort: cloud.port })
    const client = await join200(local.port)
    for (const topic of ["c8y/s/us/large", "te/device/main///cmd/health/check"])
      await client.publishAsync(topic, Buffer.alloc(200 * megabyte), { qos: 1 })
    await client.publishAsync("c8y/s/us/after", "small", { qos: 1 })
    await cloud.waitForLog(/Received PUBLISH from dev01 .*'s\/us\/after'/)
    await isBounded(memory)
    expect(cloud.log().some((line) => line.includes("s/us/large"))).toBe(false)
  })

  it("does not hold what a local broker sends all the same that keeps to no limit", async () => {
    const links = new Set<Socket>()
    let poured = 0
    const server = createServer((socket) => {
      links.add(socket)
      socket.on("close", () => links.delete(socket))
      playBroker(socket, {
        onQuiet: () => {
          poured += 1
          pourPublish(socket, "c8y/s/us/large", 200 * megabyte)
        }
      })
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    leave.push(() => {
      for (const socket of links) socket.destroy()
      server.close()
    })
    const memory = await startMapper({ localPort: (server.address() as AddressInfo).port, cloudPort: 1 })
    await expect.poll(() => poured, { timeout: 60_000 }).toBeGreaterThan(4)
    await isBounded(memory)
  })

  it.each([
    { announced: 0xfffffff - 100, ends: /ended the connection|announced a message of 2684/, rounds: 5 },
    { announced: 15 * megabyte, ends: /15000\d\d\d bytes/, rounds: 1 }
  ])("does not hold a message of $announced bytes of the cloud's", async ({ announced, ends, rounds }) => {
    const local = await startBroker({ lines: ["log_type error"] })
    let connections = 0
    let acknowledged = 0
    const cloud = await startTlsServer(pki, {}, (socket) => {
      connections += 1
      playBroker(socket, {
        onQuiet: () => {
          pourPublish(socket, "s/ds", announced)
        },
        onPuback: () => {
          acknowledged += 1
        }
      })
    })
    leave.push(cloud.close)
    const memory = await startMapper({ localPort: local.port, cloudPort: cloud.port })
    await mapper?.says(ends)
    await expect.poll(() => connections, { timeout: 60_000 }).toBeGreaterThanOrEqual(rounds)
    await isBounded(memory)
    expect(mapper?.stderr()).not.toContain("another client")
    if (rounds === 1) await expect.poll(() => [connections, acknowledged]).toEqual([1, 1])
  })
})
