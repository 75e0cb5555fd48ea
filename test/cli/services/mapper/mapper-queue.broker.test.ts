/**
 * A cloud that is away for long: the local broker keeps the queue, the mapper stays small, and all of it arrives.
 * Needs the bundles of `npm run build`.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { connect, createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { startBroker, type TestBroker } from "../../../support/broker/broker.ts"
import { configureMapper, type MapperProcess, mapperProcess } from "../../../support/device/mapper-process.ts"
import { surelyGrownMeanwhile } from "../../../support/memory-growth.ts"
import { type TestPki, testPki } from "../../../support/tls/pki.ts"

let dir: string
let pki: TestPki
let local: TestBroker
let cloud: TestBroker
let mapper: MapperProcess | undefined
let clients: Array<MqttClient>
let proxies: Array<Server>

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "tedge-queue-"))
  pki = testPki({ deviceId: "dev01" })
  clients = []
  proxies = []
  const quiet = "log_type error"
  local = await startBroker({ lines: ["max_queued_messages 0", quiet] })
  const tls = { certFile: pki.serverCertFile, keyFile: pki.serverKeyFile, caFile: pki.caFile }
  cloud = await startBroker({ tls, requireCertificate: true, lines: ["max_queued_messages 0", quiet] })
})
afterEach(async () => {
  mapper?.child.kill("SIGKILL")
  await Promise.all(clients.map((client) => client.endAsync(true)))
  for (const proxy of proxies) proxy.close()
  await Promise.all([local.stop(), cloud.stop()])
  pki.remove()
  rmSync(dir, { recursive: true, force: true })
})

const configure = (cloudPort: number) =>
  configureMapper({
    dir,
    pki,
    localPort: local.port,
    cloudPort,
    more: '[mqtt.bridge.reconnect_policy]\ninitial_interval = "500ms"\nmaximum_interval = "500ms"\n'
  })

/** Answers when the mapper is at the local broker: from then on that one keeps what is for the cloud. */
const startMapper = async (): Promise<number> => {
  mapper = mapperProcess(dir)
  await mapper.says(/\[local\] MQTT bridge connected/)
  return mapper.child.pid ?? 0
}

const joined = async (options: IClientOptions) => {
  const client = await connectAsync(options)
  clients.push(client)
  return client
}

/** Publishes numbers, a window at a time. */
const publishAll = async (count: number) => {
  const client = await joined({ host: "127.0.0.1", port: local.port })
  const padding = "x".repeat(12_000)
  for (let start = 0; start < count; start += 500)
    await Promise.all(
      Array.from({ length: Math.min(500, count - start) }, (_, n) =>
        client.publishAsync("c8y/s/us/queued", `${start + n} ${padding}`, { qos: 1 })
      )
    )
}

/** `all`: the numbers in the order they came, when there are so many different ones. */
const observeCloud = async (count: number): Promise<{ readonly all: Promise<ReadonlyArray<number>> }> => {
  const client = await joined({
    host: "localhost",
    port: cloud.port,
    protocol: "mqtts",
    ca: pki.caPem,
    cert: pki.deviceCertPem,
    key: pki.deviceKeyPem,
    clientId: "observer"
  })
  const numbers = new Set<number>()
  const all = new Promise<ReadonlyArray<number>>((resolve) => {
    client.on("message", (_topic, payload) => {
      numbers.add(Number.parseInt(String(payload), 10))
      if (numbers.size === count) resolve([...numbers])
    })
  })
  await client.subscribeAsync("s/us/queued", { qos: 1 })
  return { all }
}

/** A TCP proxy to the cloud's broker that passes nothing on before it is opened. */
const closedProxy = (): Promise<{ readonly port: number; readonly open: () => void }> =>
  new Promise((resolve) => {
    let isOpen = false
    const server = createServer((near) => {
      near.on("error", () => {})
      if (!isOpen) return near.destroy()
      const far = connect(cloud.port, "localhost").on("error", () => near.destroy())
      near.pipe(far).pipe(near)
      return near.on("close", () => far.destroy())
    })
    proxies.push(server)
    server.listen(0, "localhost", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      resolve({
        port,
        open: () => {
          isOpen = true
        }
      })
    })
  })

/** In its hands it has 2,000 messages or 8 MiB at most; the rest is what V8 takes for working on them. */
const mostWhileAway = 48

/** Mosquitto 2.0.11 sends more than it was asked to: 48 MiB may be here then, and copies of that on their way out. */
const mostEver = 200

const residentMiB = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024

describe("a mapper whose cloud is away", () => {
  it("stays small while the local broker keeps the queue, and brings all of it, in order, when the cloud is back", async () => {
    // 120 MB of payload. `npm run bench -- bridge` does it with 100,000 messages.
    const count = 10_000
    const proxy = await closedProxy()
    configure(proxy.port)
    const pid = await startMapper()
    const before = residentMiB(pid)
    await publishAll(count)
    expect(await surelyGrownMeanwhile(() => residentMiB(pid) - before)).toBeLessThan(mostWhileAway)
    const observer = await observeCloud(count)
    proxy.open()
    expect(await observer.all).toEqual(Array.from({ length: count }, (_, n) => n))
    expect(await surelyGrownMeanwhile(() => residentMiB(pid) - before)).toBeLessThan(mostEver)
  })
})
