/**
 * 5,000 TLS 1.3 handshakes whose key is elsewhere: nothing native stays, and memory grows no faster than Node's own tls.
 *
 * Each contender has a process of its own; they run one after the other against one server. The signer is a key in
 * memory, so what grows is TLS.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { bundle } from "../bench/lib/bundle.mjs"
import { createTestCa } from "../scripts/lib/device/test-ca.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const handshakes = 5000
const every = 500
/** The young generation keeps its size: as it grows, the lists V8 has about it grow too, outside of its heap. */
const flags = ["--expose-gc", "--max-semi-space-size=1"]
/** Samples that are not judged: the heap and the allocator find their size first. */
const warmUp = 3
/** What resident memory wavers by, in bytes for each handshake. One connection that stays is 20,000 and more. */
const tolerance = 512

export const soak = async (log) => {
  const dir = mkdtempSync(join(tmpdir(), "tedge-soak-"))
  try {
    await soakIn(dir, log)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

const soakIn = async (dir, log) => {
  const ca = await createTestCa(join(dir, "ca"), "Soak CA")
  const server = await ca.issueServer("localhost")
  const device = await ca.issueDeviceWithKey("soak")
  const client = await bundle(join(root, "soak/lib/tls-client.ts"), "soak-tls-client")
  const paths = [server.certificate, server.key, ca.certificate]
  const echo = spawn(process.execPath, [join(root, "bench/lib/tls-echo-server.mjs"), ...paths], {
    stdio: ["pipe", "pipe", "inherit"]
  })
  try {
    const port = await new Promise((resolve) => echo.stdout.once("data", (text) => resolve(Number(text))))
    const [authority, certificate, key] = [ca.certificate, device.certificate, device.key].map((path) =>
      readFileSync(path, "utf8")
    )
    const task = { port, count: handshakes, every, ca: authority, certificate, key }
    const samples = {}
    for (const kind of ["node", "ours", "broken"]) samples[kind] = await samplesOf(client, { kind, ...task }, log)
    judge(samples, log)
  } finally {
    echo.stdin.end()
  }
}

const samplesOf = async (client, task, log) => {
  const env = { ...process.env, SOAK_TASK: JSON.stringify(task) }
  const child = spawn(process.execPath, [...flags, client], { env, stdio: ["ignore", "pipe", "inherit"] })
  const ended = new Promise((resolve) => child.once("close", resolve))
  const samples = []
  for await (const line of createInterface(child.stdout)) samples.push(JSON.parse(line))
  const code = await ended
  if (code !== 0) throw new Error(`the client (${task.kind}) ended with exit code ${code}`)
  const held = samples.map(({ done, connections, bytes }) => `${done}: ${connections} open, ${mebibytes(bytes)}`)
  log(`${task.kind.padEnd(6)} ${held.join("; ")}`)
  return samples
}

const judge = ({ node, ours, broken }, log) => {
  for (const { done, connections, settings } of [...ours, ...broken]) {
    if (connections !== 0) throw new Error(`${connections} connections are open after ${done} handshakes`)
    if (settings > 4) throw new Error(`${settings} parsed settings are kept after ${done} handshakes`)
  }
  const [limit, ...grown] = [node, ours, broken].map(slope)
  const text = grown.map((bytes) => bytes.toFixed(0)).join(" and ")
  log(`bytes more for each handshake: ours ${text} (signed, cut short), Node's tls ${limit.toFixed(0)}`)
  if (Math.max(...grown) > Math.max(limit, 0) + tolerance) throw new Error("memory grows faster than with Node's tls")
}

/** Least squares over the samples after the warm-up. */
const slope = (samples) => {
  const points = samples.slice(warmUp).map(({ done, bytes }) => [done, bytes])
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [x, y] = [mean(points.map(([done]) => done)), mean(points.map(([, bytes]) => bytes))]
  const over = points.reduce((sum, [done, bytes]) => sum + (done - x) * (bytes - y), 0)
  return over / points.reduce((sum, [done]) => sum + (done - x) ** 2, 0)
}

const mebibytes = (bytes) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`
