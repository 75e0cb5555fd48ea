/**
 * Messages through the mapper's bridge, over TLS with a token key, against mosquitto's own bridge with a key file.
 *
 * QoS 1 on both sides, the same brokers' settings, the same publisher and subscriber. Mosquitto's bridge has a window of
 * 100 by its settings and ours one of 2,000. Mosquitto 2.0.11 (Debian 12) exceeds its own (it sends all it has as soon as
 * the first PUBACKs come), and no setting bounds it, so that a long road costs it nothing. Mosquitto 2.0.21 (Debian 13)
 * keeps its window. What the bridge did is in the row's name. Each bridge first carries 20,000 messages, over which V8 optimises
 * the mapper's code: a mapper runs for months.
 *
 * In the end the cloud is away: how much the mapper grows while the local broker keeps 100,000 messages, which must all
 * arrive, in order, when it is back.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { medianOf, sampled } from "../scripts/lib/bench/judge.mjs"
import { createTokenAndCertificate } from "../scripts/lib/device/device.mjs"
import { freePort } from "../scripts/lib/free-port.mjs"
import { mustRun, run } from "../scripts/lib/run.mjs"
import { drawLatency, drawMemory } from "./lib/bridge-pictures.mjs"
import { startCloud, startOurs, startTheirs } from "./lib/bridge-ways.mjs"
import { startDelayProxy } from "./lib/delay-proxy.mjs"
import { bareNode, idleMs, memoryOf, memoryRows } from "./lib/process-memory.mjs"

const load = join(dirname(fileURLToPath(import.meta.url)), "lib/mqtt-load.mjs")

/** Messages of each transfer, `warmUp` before the first; `rounds`: each of `queued` messages takes a minute. */
const sizes = {
  full: {
    fast: 6000,
    slow: 600,
    far: 20_000,
    after: 200_000,
    queued: 100_000,
    rounds: 2,
    idleMs,
    warmUp: 20_000,
    samples: { least: 7, most: 21 }
  },
  smoke: {
    fast: 20,
    slow: 20,
    far: 20,
    after: 20,
    queued: 20,
    rounds: 1,
    idleMs: 0,
    settleMs: 200,
    warmUp: 0,
    samples: { most: 1 }
  }
}

export const measure = async ({ draw, effort = "full" }) => {
  const dir = mkdtempSync(join(tmpdir(), "tedge-bench-"))
  const ends = []
  try {
    return await measureIn(dir, ends, draw, sizes[effort])
  } finally {
    for (const end of ends.reverse()) await end()
    rmSync(dir, { recursive: true, force: true })
  }
}

const measureIn = async (dir, ends, draw, size) => {
  const made = await createTokenAndCertificate({ dir, deviceId: "bench-device", pin: "123456" })
  const cloud = await startCloud(dir, made.ca, ends)
  const far = await startDelayProxy(cloud.port, 25)
  ends.push(() => far.close())
  const rows = await withBridges(dir, made, cloud.port, (ways) => nearRows(ways, cloud, draw, size))
  rows.push(await withBridges(dir, made, far.port, (ways) => farRow(ways, cloud, size)))
  const grown = []
  for (let round = 0; round < size.rounds; round++) grown.push(await growth(dir, round, made, cloud, draw, size.queued))
  return [...rows, memoryRow(grown, size.queued)]
}

/** Both bridges, to that port of the cloud, until `use` has ended. */
const withBridges = async (dir, made, port, use) => {
  const ours = await startOurs(join(dir, `ours${port}`), made, port)
  try {
    const theirs = await startTheirs(join(dir, `theirs${port}`), made, port)
    try {
      return await use({ ours, theirs })
    } finally {
      await theirs.stop()
    }
  } finally {
    await ours.stop()
  }
}

const nearRows = async (ways, cloud, draw, size) => {
  await warmUp(ways, cloud, size)
  const rows = []
  for (const bytes of [100, 1024])
    rows.push(rateRow(`${bytes} B messages`, await compare(ways, cloud, size.fast, bytes, 0, size), 1))
  const slow = await compare(ways, cloud, size.slow, 100, 200, size)
  drawLatency(draw, { ours: middle(slow.ours), theirs: middle(slow.theirs) })
  const [oursMs, theirsMs] = [slow.ours, slow.theirs].map((runs) => medianOf(runs.map(({ p50 }) => p50)))
  const ratios = slow.ours.map(({ p50 }, n) => p50 / slow.theirs[n].p50)
  const what = "latency at 200 messages/s, median"
  rows.push(row(what, `${oursMs.toFixed(2)} ms`, `${theirsMs.toFixed(2)} ms`, ratios, 1.3))
  return [...rows, ...(await memoryAfterLoad(ways.ours, cloud, size))]
}

const farRow = async (ways, cloud, size) => {
  await warmUp(ways, cloud, size)
  const rates = await compare(ways, cloud, size.far, 100, 0, size)
  // A window of 100 carries 2,000 messages/s over a round trip of 50 ms.
  const does = middle(rates.theirs).rate > 2_500 ? "exceeds" : "keeps"
  const what = `100 B messages, 50 ms round trip (mosquitto ${await mosquittoVersion()} ${does} its window of 100)`
  return rateRow(what, rates, 0.9)
}

/** Of a mapper that has carried so many messages beside all those, once it is idle again: in less than a minute. */
const memoryAfterLoad = async ({ port, pid }, cloud, { after, idleMs, settleMs }) => {
  await transfer(port, cloud.socket, after, 100, 0)
  await pause(idleMs)
  const what = `tedge-mapper c8y, idle after ${after} messages`
  return memoryRows(what, [memoryOf([pid])], await bareNode(settleMs), { own: 3, rss: 1.6 })
}

/** From the first line of its help: `mosquitto version 2.0.11`. Its exit code is 3. */
const mosquittoVersion = async () =>
  /mosquitto version (\S+)/.exec((await run("mosquitto", ["-h"])).stdout)?.[1] ?? "of unknown version"

const mostMiB = 48

/** With so few the limit is broken only when all of them break it. */
const memoryRow = (grown, queued) => ({
  what: `growth of the mapper with ${queued} messages of 1 KiB waiting for a dead cloud`,
  value: `${medianOf(grown).toFixed(0)} MiB`,
  against: `a bound of ${mostMiB} MiB`,
  samples: grown.map((mib) => mib / mostMiB),
  limit: 1
})

const growth = async (dir, round, made, cloud, draw, queued) => {
  const port = await freePort()
  const ours = await startOurs(join(dir, `away${round}`), made, port, { until: "[local] MQTT bridge connected" })
  try {
    const before = residentMiB(ours.pid)
    const memory = watchMemory([ours.pid, ours.brokerPid])
    await mustRun(process.execPath, [load, ...publishing(ours.port, queued, 1024, 0)], { timeoutMs: 300_000 })
    const grown = Math.max(0, residentMiB(ours.pid) - before)
    const receiver = await startReceiver(cloud.socket, queued)
    const road = await startDelayProxy(cloud.port, 0, port)
    const backAt = memory.seconds()
    const { inOrder } = await receiver.result
    drawMemory(draw, { messages: queued, backAt, samples: memory.stop() })
    road.close()
    if (!inOrder) throw new Error("messages that were queued have overtaken each other")
    return grown
  } finally {
    await ours.stop()
  }
}

const residentMiB = (pid) => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024

/** Looks at these processes four times a second; `stop` answers what it has seen: seconds, then MiB of each. */
const watchMemory = (pids) => {
  const started = performance.now()
  const seconds = () => (performance.now() - started) / 1000
  const sample = () => [seconds(), ...pids.map(residentMiB)]
  const samples = [sample()]
  const timer = setInterval(() => samples.push(sample()), 250)
  const stop = () => {
    clearInterval(timer)
    return [...samples, sample()]
  }
  return { seconds, stop }
}

const row = (what, value, against, samples, limit) => ({
  what,
  value,
  against: `mosquitto's own bridge, ${against}`,
  samples,
  limit
})

const rateRow = (what, { ours, theirs }, least) =>
  row(
    what,
    `${middle(ours).rate.toFixed(0)} messages/s`,
    `${middle(theirs).rate.toFixed(0)} messages/s`,
    ours.map(({ rate }, n) => theirs[n].rate / rate),
    1 / least
  )

/** In turns: the runs of each way, in pairs. */
const compare = async (ways, cloud, count, bytes, rate, { samples }) => {
  const runs = Object.fromEntries(Object.keys(ways).map((name) => [name, []]))
  const key = rate === 0 ? "rate" : "p50"
  await sampled(async () => {
    for (const [name, way] of Object.entries(ways))
      runs[name].push(await transfer(way.port, cloud.socket, count, bytes, rate))
    return runs.ours.at(-1)[key] / runs.theirs.at(-1)[key]
  }, samples)
  return runs
}

const warmUp = async (ways, cloud, size) => {
  if (size.warmUp > 0)
    for (const { port } of Object.values(ways)) await transfer(port, cloud.socket, size.warmUp, 100, 0)
}

/** The run with the median rate, with the median latency. */
const middle = (runs) => {
  const by = (key) => runs.toSorted((x, y) => x[key] - y[key])[Math.floor(runs.length / 2)]
  return { ...by("rate"), p50: by("p50").p50 }
}

const transfer = async (port, socket, count, bytes, rate) => {
  const receiver = await startReceiver(socket, count)
  await mustRun(process.execPath, [load, ...publishing(port, count, bytes, rate)], { timeoutMs: 300_000 })
  return receiver.result
}

const publishing = (port, count, bytes, rate) =>
  ["publish", `mqtt://127.0.0.1:${port}`, "c8y/s/us/bench", count, bytes, 100, rate].map(String)

/** Answers when it is subscribed; `result` comes when all have come. */
const startReceiver = async (socket, count) => {
  const receiver = spawn(process.execPath, [load, "receive", socket, "s/us/bench", String(count)], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  const lines = []
  const result = new Promise((resolve) => receiver.on("close", () => resolve(lines.at(-1)))).then(JSON.parse)
  await new Promise((resolve, reject) => {
    receiver.stdout.on("data", (text) => {
      lines.push(...String(text).trim().split("\n"))
      resolve()
    })
    receiver.on("exit", () => reject(new Error("the subscriber ended")))
  })
  return { result }
}
