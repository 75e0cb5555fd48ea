/**
 * A million signatures through tedge-p11-server, and its memory stays what it was after the first hundred thousand.
 *
 * Server and token host are judged each. The clients are the C program of the bench, one request per connection. SOAK_SIGNATURES makes it shorter or longer.
 */
import { execFileSync, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { createSoftToken } from "../scripts/lib/device/soft-token.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const pin = "123456"
const clients = 16
const secondsAtOnce = "5"

/** Signatures until the heap has found its size. */
const warmUp = 100_000

/** Bytes a signature may leave behind. The smallest object that stays is larger; what V8 wavers by is less. */
const mostLeft = 12

export const soak = async (log) => {
  const wanted = Number(process.env.SOAK_SIGNATURES ?? 1_000_000)
  const dir = mkdtempSync(join(tmpdir(), "tedge-soak-"))
  try {
    const token = await createSoftToken({ dir: join(dir, "token"), label: "soak", pin })
    await token.generateKey("soak", "01")
    const load = join(dir, "p11-load")
    execFileSync(process.env.CC ?? "cc", ["-O2", "-o", load, join(root, "bench/p11-load.c"), "-lpthread"])
    const server = await startServer(dir, token)
    try {
      judge(sampled({ load, server, wanted, log }), log)
    } finally {
      await server.stop()
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Samples of each process, one for each tenth. */
const sampled = ({ load, server, wanted, log }) => {
  const samples = []
  const begun = performance.now()
  let done = 0
  for (let next = wanted / 10; next <= wanted; next += wanted / 10) {
    while (done < next) {
      const args = [server.socketPath, signRequest, String(clients), secondsAtOnce]
      const run = JSON.parse(execFileSync(load, args, { encoding: "utf8" }))
      if (run.errors > 0) throw new Error(`${run.errors} requests of ${run.requests} were not answered`)
      done += run.requests
    }
    const [own, host] = server.pids().map(memoryOf)
    samples.push({ done, server: own, host })
    const rate = (done / ((performance.now() - begun) / 1000)).toFixed(0)
    log(`${done} signatures, ${rate}/s; server ${mib(own)}, token host ${mib(host)}`)
  }
  return samples
}

const judge = (all, log) => {
  const pids = new Set(all.map(({ host }) => host.pid))
  if (pids.size > 1) throw new Error(`the token host was replaced ${pids.size - 1} times`)
  const samples = all.filter(({ done }) => done >= warmUp)
  if (samples.length < 4) return log("too few signatures to judge memory by")
  for (const name of ["server", "host"]) {
    const left = growth(samples.map((one) => [one.done, one[name].bytes]))
    log(`${name}: ${left.toFixed(2)} bytes a signature (at most ${mostLeft})`)
    if (left > mostLeft) throw new Error(`memory of the ${name} grows by ${left.toFixed(1)} bytes a signature`)
  }
}

/**
 * From the least of the first half to the least of the second: V8's heap grows for hundreds of thousands of signatures
 * until it is collected, and only what a collection leaves tells anything.
 */
const growth = (points) => {
  const half = points.length / 2
  const least = (some) => some.reduce((low, point) => (point[1] < low[1] ? point : low))
  const [first, second] = [least(points.slice(0, Math.floor(half))), least(points.slice(Math.floor(half)))]
  return (second[1] - first[1]) / (second[0] - first[0])
}

const startServer = async (dir, token) => {
  mkdirSync(join(dir, "config"))
  const socketPath = join(dir, "p11.sock")
  const args = ["--config-dir", join(dir, "config"), "--module-path", token.modulePath, "--socket-path", socketPath]
  const env = { ...process.env, ...token.env, TEDGE_RUN_PATH: dir, TEDGE_DEVICE_CRYPTOKI_PIN: pin }
  const child = spawn(join(root, "bin/tedge-p11-server"), args, { env, stdio: ["ignore", "ignore", "pipe"] })
  const ended = new Promise((resolve) => child.once("exit", resolve))
  await new Promise((resolve, reject) => {
    let text = ""
    child.stderr.on("data", (chunk) => {
      text = (text + chunk).slice(-10_000)
      if (text.includes("Server listening")) resolve()
    })
    ended.then(() => reject(new Error(text)))
  })
  const stop = () => {
    child.kill("SIGTERM")
    return ended
  }
  return { socketPath, stop, pids: () => [child.pid, ...childrenOf(child.pid)] }
}

const childrenOf = (pid) => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number)

/** Its own pages: those it shares with other Node processes say nothing about it. */
const memoryOf = (pid) => {
  const kb = /^Anonymous:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]
  return { pid, bytes: Number(kb) * 1024 }
}

const mib = ({ bytes }) => `${(bytes / 2 ** 20).toFixed(1)} MiB`

/** SignRequestWithSigScheme (5) of protocol version 1: 130 bytes as in a CertificateVerify, the key's URI, no more. */
const signRequest = (() => {
  const uri = Buffer.from("pkcs11:token=soak;object=soak")
  const head = Buffer.from([0, 5, 0x82, 0x01])
  return Buffer.concat([head, Buffer.alloc(130, 7), Buffer.from([1, uri.length]), uri, Buffer.from([0, 0])]).toString(
    "hex"
  )
})()
