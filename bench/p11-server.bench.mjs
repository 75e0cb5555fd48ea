/**
 * tedge-p11-server under load, against the module itself in the same run.
 *
 * (a) is the module's own C_Sign loop: one session, one thread, the key's handle kept. (b) is the call sequence of the
 * original for each signature. Clients are a C program with a connection per request, as every client does it. All
 * take turns, each round is a sample of every row, since the machine has other things to do as well. The processor
 * time of a signature, from /proc, is what other load changes least.
 */
import { execFileSync, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { createSoftToken } from "../scripts/lib/device/soft-token.mjs"
import { bareNode, childrenOf, idleMs, memoryOf, memoryRows, withoutExtraCertificates } from "./lib/process-memory.mjs"
import { clientCounts, drawSigning } from "./lib/signing-pictures.mjs"
import { startTpmToken } from "./lib/tpm-token.mjs"

const here = dirname(fileURLToPath(import.meta.url))
const pin = "123456"
/** `seconds` of each run; `signatures`: after so many, or `mostLoadMs` of them, memory is looked at. */
const sizes = {
  full: { objects: [4, 20, 200], seconds: 1, rounds: 7, signatures: 1_000_000, mostLoadMs: 150_000, idleMs },
  smoke: { objects: [2, 4], seconds: 0.01, rounds: 1, signatures: 0, mostLoadMs: 0, idleMs: 0, settleMs: 200 }
}

export const measure = async ({ draw, effort = "full" }) => {
  const size = sizes[effort]
  const dir = mkdtempSync(join(tmpdir(), "tedge-bench-"))
  try {
    const tools = compile(dir)
    const measured = await measureTokens(dir, tools, size)
    drawSigning(draw, measured.results[0])
    return [...(await rowsOf(measured, size)), ...(await measureTpm(dir, tools, size))]
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Compiled for this run; the header of the standard comes with pkcs11js. */
const compile = (dir) => {
  const headers = join(here, "../node_modules/pkcs11js/includes/pkcs11")
  const built = (name) => {
    const out = join(dir, name)
    execFileSync(process.env.CC ?? "cc", [
      "-O2",
      "-o",
      out,
      join(here, `${name}.c`),
      "-I",
      headers,
      "-lpthread",
      "-ldl"
    ])
    return out
  }
  return { load: built("p11-load"), loop: built("module-loop") }
}

/** What may be run on a token: the module's own loop, and load on a server. */
const runsOn = (tools, token, server, seconds) => {
  let signed = 0
  const loop = (way) =>
    json(tools.loop, [token.modulePath, pin, "bench", String(seconds), "1", way], { ...process.env, ...token.env })
  const load = (clients, rate) => {
    const pids = server.pids()
    const before = pids.map(processorUs)
    const run = json(tools.load, [
      server.socketPath,
      signRequest,
      String(clients),
      String(seconds),
      ...(rate ? [String(rate)] : [])
    ])
    if (run.errors > 0) throw new Error(`${run.errors} of ${run.errors + run.requests} requests failed`)
    signed += run.requests
    const [serverUs, ...hostUs] = pids.map((pid, index) => (processorUs(pid) - before[index]) / run.requests)
    return { ...run, serverUs, hostUs: hostUs.reduce((sum, us) => sum + us, 0) }
  }
  return { loop, load, signed: () => signed }
}

/** User and system time of a process, in microseconds. Source: proc(5), fields 14 and 15, in ticks of 10 ms. */
const processorUs = (pid) => {
  const [, fields] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")
  const [user, system] = fields.split(" ").slice(11, 13)
  return (Number(user) + Number(system)) * 10_000
}

/** Tokens of their own with so many objects, a server over each, and all that is measured on them, in turns. */
const measureTokens = async (dir, tools, size) => {
  const opened = []
  try {
    for (const objects of size.objects) opened.push(await openToken(dir, tools, objects, size.seconds))
    await pause(size.idleMs)
    for (const one of opened) one.idle = memoryOf(one.server.pids())
    for (const { runs } of opened) runs.load(16)
    for (let round = 0; round < size.rounds; round++) for (const { taken, runs } of opened) takeOne(taken, runs)
    const results = opened.map((one, n) => resultOf(one, n === 0))
    const [{ runs, server }] = opened
    const loadEnds = performance.now() + size.mostLoadMs
    while (runs.signed() < size.signatures && performance.now() < loadEnds) runs.load(16)
    await pause(size.idleMs)
    const after = { signed: runs.signed(), memory: memoryOf(server.pids()) }
    return { results, idle: opened.map(({ idle }) => idle), after }
  } finally {
    for (const { server } of opened) await server.stop()
  }
}

const openToken = async (dir, tools, objects, seconds) => {
  const token = await createSoftToken({ dir: join(dir, `token-${objects}`), label: "bench", pin })
  await token.generateKey("bench", "01")
  for (let n = 2; n <= objects / 2; n++) await token.generateKey(`other-${n}`, n.toString(16).padStart(2, "0"))
  const server = await startServer(join(dir, `run-${objects}`), token)
  const runs = runsOn(tools, token, server, seconds)
  // The host is there from the first signature on.
  runs.load(1, 1)
  return { objects, server, runs, taken: { a: [], at16: [], at64: [], b: [], open: [] } }
}

const takeOne = (taken, { loop, load }) => {
  taken.a.push(loop("cached"))
  // While the others were measured, the idle service gave compiled code back.
  load(16)
  taken.at16.push(load(16))
  taken.at64.push(load(64))
  taken.b.push(loop("original"))
  taken.open.push(load(64, taken.at16.at(-1).rate / 2))
}

const resultOf = ({ objects, runs, taken }, drawn) => {
  const middle = Object.fromEntries(Object.entries(taken).map(([name, all]) => [name, medianRun(all)]))
  const byClients = drawn ? clientCounts.map((clients) => runs.load(clients)) : []
  return { objects, ...middle, taken, byClients }
}

/** A TPM is slow for every caller: the service must not add to it. */
const measureTpm = async (dir, tools, { seconds, rounds }) => {
  const folder = join(dir, "tpm")
  const token = await startTpmToken({ dir: folder, label: "bench", pin, keyLabel: "bench" })
  try {
    const server = await startServer(join(dir, "run-tpm"), token)
    try {
      const { loop, load } = runsOn(tools, token, server, seconds)
      load(4)
      const taken = { a: [], at4: [] }
      for (let round = 0; round < rounds; round++) {
        taken.a.push(loop("cached"))
        taken.at4.push(load(4))
      }
      const [a, at4] = [taken.a, taken.at4].map(medianRun)
      const against = `the module's own loop, ${perSecond(a)}`
      const samples = taken.at4.map(({ rate }, n) => taken.a[n].rate / rate)
      return [{ what: "4 clients, a TPM", value: perSecond(at4), against, samples, limit: 1 / 0.9 }]
    } finally {
      await server.stop()
    }
  } finally {
    await token.stop()
  }
}

const startServer = async (dir, token) => {
  mkdirSync(join(dir, "config"), { recursive: true })
  const socketPath = join(dir, "p11.sock")
  const args = ["--config-dir", join(dir, "config"), "--module-path", token.modulePath, "--socket-path", socketPath]
  const env = { ...withoutExtraCertificates(), ...token.env, TEDGE_RUN_PATH: dir, TEDGE_DEVICE_CRYPTOKI_PIN: pin }
  const child = spawn(join(here, "../bin/tedge-p11-server"), args, { env, stdio: ["ignore", "ignore", "pipe"] })
  const ended = new Promise((resolve) => child.once("exit", resolve))
  await new Promise((resolve, reject) => {
    let log = ""
    child.stderr.on("data", (text) => {
      log += text
      if (log.includes("Server listening")) resolve()
    })
    ended.then(() => reject(new Error(log)))
  })
  const stop = () => {
    child.kill("SIGTERM")
    return ended
  }
  return { socketPath, stop, pids: () => [child.pid, ...childrenOf(child.pid)] }
}

/** SignRequestWithSigScheme (5) of protocol version 1: 130 bytes as in a CertificateVerify, the key's URI, no more. */
const signRequest = (() => {
  const uri = Buffer.from("pkcs11:token=bench;object=bench")
  const message = Buffer.alloc(130, 7)
  return Buffer.concat([
    Buffer.from([0, 5, 0x82, 0x01]),
    message,
    Buffer.from([1, uri.length]),
    uri,
    Buffer.from([0, 0])
  ]).toString("hex")
})()

const json = (program, args, env = process.env) => JSON.parse(execFileSync(program, args, { env, encoding: "utf8" }))

const medianRun = (runs) => runs.toSorted((x, y) => x.rate - y.rate)[Math.floor(runs.length / 2)]

const rowsOf = async ({ results, idle, after }, { settleMs }) => {
  const [first] = results
  const rows = results.flatMap((result) => rowsOfToken(result, first, results.at(-1)))
  const bare = await bareNode(settleMs)
  const limits = { own: 4, rss: 2.6 }
  const millions = (after.signed / 1e6).toFixed(1)
  return [
    ...rows,
    ...memoryRows("server and token host, idle", idle, bare, limits),
    ...memoryRows(`server and token host, idle after ${millions} million signatures`, [after.memory], bare, limits)
  ]
}

/** `limit` is what the ratio may be at most; where more is better, the ratio is turned over. */
const rowsOfToken = ({ objects, a, at16, at64, b, open, taken }, first, last) => {
  const each = (ratio) => taken.a.map((_, n) => ratio(n))
  const on = `, ${objects} objects on the token`
  const p99Limit = (3 * 64) / at64.rate
  return [
    {
      what: `16 clients${on}`,
      value: perSecond(at16),
      against: `(a) the module's own loop, ${perSecond(a)}`,
      samples: each((n) => taken.a[n].rate / taken.at16[n].rate),
      limit: 1 / 0.4
    },
    {
      what: `16 clients and the calls of the original${on}`,
      value: perSecond(at16),
      against: `(b) the original's calls, ${perSecond(b)}`,
      samples: each((n) => taken.b[n].rate / taken.at16[n].rate)
    },
    {
      what: `processor time of a signature${on}`,
      value: `server ${at16.serverUs.toFixed(0)} µs, token host ${at16.hostUs.toFixed(0)} µs`,
      against: `(a) the module's own loop, ${a.processorUs.toFixed(0)} µs`,
      samples: each((n) => (taken.at16[n].serverUs + taken.at16[n].hostUs) / taken.a[n].processorUs)
    },
    {
      what: `64 clients${on}`,
      value: perSecond(at64),
      against: `16 clients`,
      samples: each((n) => taken.at16[n].rate / taken.at64[n].rate),
      limit: 1 / 0.95
    },
    {
      what: `99th percentile at 64 clients${on}`,
      value: ms(at64.p99us),
      against: `3 x 64 / rate, ${ms(p99Limit * 1e6)}`,
      samples: each((n) => taken.at64[n].p99us / 1e6 / ((3 * 64) / taken.at64[n].rate)),
      limit: 1
    },
    {
      what: `99th percentile at half the rate, open loop${on}`,
      value: ms(open.p99us),
      against: "10 ms",
      samples: each((n) => taken.open[n].p99us / 10_000),
      limit: 1
    },
    ...(objects === last.objects
      ? [
          {
            what: `rate at ${objects} objects`,
            value: perSecond(at16),
            against: `at ${first.objects}, ${perSecond(first.at16)}`,
            samples: each((n) => first.taken.at16[n].rate / taken.at16[n].rate),
            limit: 1 / 0.9
          }
        ]
      : [])
  ]
}

const perSecond = ({ rate }) => `${rate.toFixed(0)} signatures/s`

const ms = (us) => `${(us / 1000).toFixed(1)} ms`
