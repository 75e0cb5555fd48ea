/**
 * The library in a program: what a token that needs 300 ms for a signature does to the program's event loop, beside Node's
 * tls with a key file and beside the same module called from the program itself; and the throughput of its stream.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { createSecureContext, connect as nodeConnect } from "node:tls"
import { medianOf, sampled } from "../scripts/lib/bench/judge.mjs"
import { createSoftToken } from "../scripts/lib/device/soft-token.mjs"
import { createTestCa } from "../scripts/lib/device/test-ca.mjs"
import { startEchoServer } from "./lib/echo-server.mjs"
import { slowModule } from "./lib/slow-module.mjs"
import { synchronousSigner } from "./lib/synchronous-signer.mjs"

const { connect, openToken } = createRequire(import.meta.url)("../dist/tls.cjs")
const parallel = 8
/** `roundMs`: how long each way is measured at a time; `blocking`: rounds; `chunks`: writes of a sample. */
const sizes = {
  full: { signatureMs: 300, roundMs: 1500, blocking: 3, chunks: 48, samples: { least: 9, most: 21 } },
  smoke: { signatureMs: 20, roundMs: 1, blocking: 1, chunks: 1, samples: { most: 1 } }
}

export const measure = async ({ effort = "full" }) => {
  const dir = mkdtempSync(join(tmpdir(), "tedge-bench-"))
  try {
    return await measureIn(dir, sizes[effort])
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

const measureIn = async (dir, size) => {
  const ca = await createTestCa(join(dir, "ca"), "Bench CA")
  const echo = await startEchoServer(await ca.issueServer("localhost"), ca)
  const soft = await createSoftToken({ dir: join(dir, "softhsm"), label: "bench", pin: "123456" })
  const made = await soft.generateKey("bench", "01")
  const cert = readFileSync(await ca.issueDevice("bench", made.publicKey), "utf8")
  const file = await ca.issueDeviceWithKey("bench-file")
  const trusted = readFileSync(ca.certificate, "utf8")
  const pem = { cert: readFileSync(file.certificate, "utf8"), key: readFileSync(file.key, "utf8") }
  Object.assign(process.env, soft.env)
  const module = slowModule(join(dir, "slow"), soft.modulePath)
  const token = openToken({ module: module.path, pin: soft.pin, latch: join(dir, "latch") })
  const key = await token.key()
  module.slow(size.signatureMs)
  const blocking = synchronousSigner({ module: module.path, pin: soft.pin, publicKey: key.publicKey })
  const { port } = echo
  const place = { host: "localhost", port, ca: trusted }
  const secureContext = createSecureContext({ ...pem, ca: trusted })
  const ways = {
    pem: () => nodeConnect({ host: "localhost", port, servername: "localhost", secureContext }),
    token: () => connect({ ...place, cert, key }),
    blocking: () => connect({ ...place, cert, key: blocking })
  }
  try {
    return [...(await delays(ways, size)), await throughput(ways, size)]
  } finally {
    echo.stop()
    blocking.close()
    await token.close()
  }
}

const delays = async (ways, { signatureMs, roundMs, blocking: blockingRounds, samples }) => {
  const seen = { pem: [], token: [], blocking: [] }
  const rates = { pem: [], token: [], blocking: [] }
  for (const name of ["pem", "token"]) await round(ways[name], roundMs)
  const look = async (name) => {
    const { rate, p99 } = await round(ways[name], roundMs)
    seen[name].push(p99)
    rates[name].push(rate)
    return p99
  }
  const ofDelays = await sampled(async () => {
    const pem = await look("pem")
    return (await look("token")) / (pem + 5)
  }, samples)
  for (let n = 0; n < blockingRounds; n++) await look("blocking")
  const [pem, token, blocking] = ["pem", "token", "blocking"].map((name) => medianOf(seen[name]))
  const [ofPem, ofToken, ofBlocking] = ["pem", "token", "blocking"].map((name) => medianOf(rates[name]))
  return [
    {
      what: `event loop's delay (p99) while a token needs ${signatureMs} ms a signature`,
      value: `${token.toFixed(1)} ms`,
      against: `Node's tls with a PEM key and 5 ms, ${(pem + 5).toFixed(1)} ms`,
      samples: ofDelays,
      limit: 1
    },
    {
      what: "the same, the module called from the event loop",
      value: `${blocking.toFixed(1)} ms`,
      against: `the token's, ${token.toFixed(1)} ms`,
      samples: seen.blocking.map((delay) => delay / token)
    },
    {
      what: `handshakes while a token needs ${signatureMs} ms a signature, ${parallel} at once`,
      value: `${ofToken.toFixed(1)} /s`,
      against: `the module called from the event loop, ${ofBlocking.toFixed(1)} /s (Node's tls with a PEM key: ${ofPem.toFixed(0)} /s)`,
      samples: rates.blocking.map((rate) => rate / ofToken)
    }
  ]
}

/** Connects again and again, so many at once, for some time. */
const round = async (dial, roundMs) => {
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  const from = performance.now()
  let done = 0
  histogram.enable()
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      while (performance.now() - from < roundMs) {
        await one(dial)
        done++
      }
    })
  )
  histogram.disable()
  return { rate: (done * 1000) / (performance.now() - from), p99: histogram.percentile(99) / 1e6 }
}

const one = (dial) =>
  new Promise((resolve, reject) => {
    const socket = dial()
    socket.once("secureConnect", () => socket.write("x"))
    socket.once("data", () => {
      socket.destroy()
      resolve()
    })
    socket.once("error", reject)
  })

const chunk = Buffer.alloc(1024 * 1024, 7)

const throughput = async (ways, { chunks, samples: few }) => {
  const rates = { node: [], ours: [] }
  const [node, ours] = await Promise.all([secured(ways.pem), secured(ways.token)])
  for (const stream of [node, ours]) await echoed(stream, chunks)
  const samples = await sampled(async () => {
    rates.node.push(await echoed(node, chunks))
    rates.ours.push(await echoed(ours, chunks))
    return rates.node.at(-1) / rates.ours.at(-1)
  }, few)
  for (const stream of [node, ours]) stream.destroy()
  return {
    what: "throughput of writes of 1 MiB, there and back",
    value: `${medianOf(rates.ours).toFixed(0)} MiB/s`,
    against: `Node's TLSSocket, ${medianOf(rates.node).toFixed(0)} MiB/s`,
    samples,
    limit: 1 / 0.8
  }
}

const secured = (dial) =>
  new Promise((resolve, reject) => {
    const socket = dial()
    socket.once("secureConnect", () => resolve(socket)).once("error", reject)
  })

/** MiB a second. */
const echoed = async (stream, chunks) => {
  const from = performance.now()
  let left = chunks * chunk.length
  await new Promise((resolve) => {
    const count = (data) => {
      left -= data.length
      if (left > 0) return
      stream.off("data", count)
      resolve()
    }
    stream.on("data", count)
    const write = (n) => n < chunks && stream.write(chunk, () => write(n + 1))
    write(0)
  })
  return (chunks * 1000) / (performance.now() - from)
}
