/**
 * One side of the comparison, in a process of its own: handshakes, and after every so many a line with what is held.
 *
 * Each connection is: dial, handshake, one byte there and back. `broken` are connections of ours that end while the
 * signature is awaited: refused by the signer, or left.
 */
import { createPrivateKey, sign as signWith } from "node:crypto"
import { createSecureContext, connect as nodeConnect } from "node:tls"
import { getHeapStatistics } from "node:v8"
import { tlsAddon } from "../../src/platform/tls/tls-addon.ts"
import type { TlsSigner } from "../../src/platform/tls/tls-client-signature.ts"
import { connectTls, type TlsSignerStream } from "../../src/platform/tls/tls-signer-stream.ts"
import { trustStore } from "../../src/platform/tls/trust-store.ts"

interface Task {
  readonly kind: "node" | "ours" | "broken"
  readonly port: number
  readonly count: number
  readonly every: number
  readonly ca: string
  readonly certificate: string
  readonly key: string
}

const { kind, port, count, every, ca, certificate, key } = JSON.parse(process.env.SOAK_TASK ?? "") as Task

const secureContext = createSecureContext({ ca, cert: certificate, key })
const place = { host: "127.0.0.1", port }
const dialNode = () => nodeConnect({ ...place, servername: "localhost", secureContext })

const privateKey = createPrivateKey(key)
const sign: TlsSigner = async (_scheme, message) => signWith("sha256", message, privateKey)
const target = {
  ...place,
  serverName: "localhost",
  trusted: trustStore([ca]),
  certificateChain: certificate,
  timeoutMs: 60_000
}

const complete = (socket: ReturnType<typeof dialNode> | TlsSignerStream) =>
  new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", () => socket.write("x"))
    socket.once("data", () => socket.destroy())
    socket.once("error", reject).once("close", () => resolve())
  })

/** In turns: the signer refuses, the signer never answers and the stream is destroyed. */
const cutShort = (number: number) =>
  new Promise<void>((resolve) => {
    const signer: TlsSigner = () => {
      if (number % 2 === 0) return Promise.reject(new Error("refused on purpose"))
      setImmediate(() => stream.destroy())
      return new Promise(() => undefined)
    }
    const stream = connectTls(target, signer)
    stream.on("error", () => undefined).on("close", () => resolve())
  })

const ways: Readonly<Record<Task["kind"], (number: number) => Promise<void>>> = {
  node: () => complete(dialNode()),
  ours: () => complete(connectTls(target, sign)),
  broken: cutShort
}

/** Collects what is unreachable, also what finalizers then let go. */
const collect = async () => {
  for (let n = 0; n < 3; n++) {
    globalThis.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** Resident memory, but of V8's heap only what is in use: what it keeps in reserve goes up and down by megabytes. */
const bytesHeld = () => {
  const { used_heap_size, total_physical_size } = getHeapStatistics()
  return process.memoryUsage.rss() - total_physical_size + used_heap_size
}

const parallel = 4

const run = async () => {
  for (let done = 0; done < count; done += every) {
    let next = done
    const one = async () => {
      while (next < done + every) await ways[kind](next++)
    }
    await Promise.all(Array.from({ length: parallel }, one))
    const connections = tlsAddon().connections()
    await collect()
    const held = { connections, settings: tlsAddon().settingsKept(), bytes: bytesHeld() }
    process.stdout.write(`${JSON.stringify({ done: done + every, ...held })}\n`)
  }
}

void run()
