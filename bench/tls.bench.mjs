/**
 * A TLS 1.3 handshake whose key is in a SoftHSM2 token, against Node's own tls with the same kind of key in a file.
 *
 * One connection is: dial, handshake, one byte there and back. The two are measured in turns.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createSecureContext, connect as nodeConnect } from "node:tls"
import { medianOf, sampled } from "../scripts/lib/bench/judge.mjs"
import { createSoftToken } from "../scripts/lib/device/soft-token.mjs"
import { createTestCa } from "../scripts/lib/device/test-ca.mjs"
import { load } from "./lib/bundle.mjs"
import { startEchoServer } from "./lib/echo-server.mjs"

const parallel = 8
/** `warmUp`: rounds until nothing gets faster any more. */
const sizes = {
  full: { first: 30, rounds: 300, warmUp: 12, connections: 200 },
  smoke: { first: 1, rounds: 1, warmUp: 0, connections: parallel, samples: { most: 1 } }
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
  const { connectTls, tokenSigner, trustStore } = await load("token-tls")
  const ca = await createTestCa(join(dir, "ca"), "Bench CA")
  const echo = await startEchoServer(await ca.issueServer("localhost"), ca)
  const softDir = join(dir, "softhsm")
  const token = await createSoftToken({ dir: softDir, label: "bench", pin: "123456" })
  const key = await token.generateKey("bench", "01")
  const tokenCertificate = readFileSync(await ca.issueDevice("bench", key.publicKey), "utf8")
  const fileIdentity = await fileKey(ca)
  const trusted = readFileSync(ca.certificate, "utf8")
  const latchDirectory = join(dir, "latch")
  mkdirSync(latchDirectory)
  const signer = await tokenSigner({
    modulePath: token.modulePath,
    pin: "123456",
    latchDirectory,
    environment: { ...process.env, ...token.env }
  })
  const secureContext = createSecureContext({ ...fileIdentity, ca: trusted })
  const target = {
    host: "127.0.0.1",
    port: echo.port,
    serverName: "localhost",
    trusted: trustStore([trusted]),
    certificateChain: tokenCertificate,
    timeoutMs: 30_000
  }
  const ways = {
    node: () => nodeConnect({ host: "127.0.0.1", port: echo.port, servername: "localhost", secureContext }),
    ours: () => connectTls(target, signer.sign)
  }
  try {
    return await compare(ways, signer, size)
  } finally {
    echo.stop()
    await signer.close()
  }
}

/** A P-256 key in a file, with its certificate: what Node's tls gets. */
const fileKey = async (ca) => {
  const { key, certificate } = await ca.issueDeviceWithKey("bench-file")
  return { cert: readFileSync(certificate, "utf8"), key: readFileSync(key, "utf8") }
}

const compare = async (ways, signer, { first, rounds, warmUp, connections, samples }) => {
  for (const dial of Object.values(ways)) for (let n = 0; n < first; n++) await one(dial)
  const times = { node: [], ours: [], sign: [] }
  const message = Buffer.alloc(130, 7)
  for (let n = 0; n < rounds; n++) {
    for (const name of ["node", "ours"]) times[name].push(await timed(() => one(ways[name])))
    times.sign.push(await timed(() => signer.sign(0x0403, message)))
  }
  const rates = { node: [], ours: [] }
  for (const dial of Object.values(ways)) for (let n = 0; n < warmUp; n++) await rate(dial, connections)
  const ofRates = await sampled(async () => {
    for (const name of ["node", "ours"]) rates[name].push(await rate(ways[name], connections))
    return rates.node.at(-1) / rates.ours.at(-1)
  }, samples)
  const [node, ours, sign] = [times.node, times.ours, times.sign].map(medianOf)
  return [
    {
      what: "TLS 1.3 handshake with a token key, median",
      value: `${ours.toFixed(2)} ms`,
      against: `Node's tls with a PEM key and the token's time, ${(node + sign).toFixed(2)} ms`,
      samples: times.ours.map((time, n) => time / (times.node[n] + times.sign[n])),
      limit: 1.15
    },
    {
      what: `time of a connection at ${parallel} at once (one over the rate)`,
      value: `${medianOf(rates.ours).toFixed(0)} connections/s`,
      against: `Node's tls with a PEM key, ${medianOf(rates.node).toFixed(0)} connections/s`,
      samples: ofRates,
      limit: 1 / 0.85
    }
  ]
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

const timed = async (work) => {
  const from = performance.now()
  await work()
  return performance.now() - from
}

const rate = async (dial, connections) => {
  let left = connections
  const took = await timed(() =>
    Promise.all(
      Array.from({ length: parallel }, async () => {
        while (left-- > 0) await one(dial)
      })
    )
  )
  return (connections * 1000) / took
}
