/** A process, or a worker thread, that ends while a signature is awaited: no crash, no hang. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { build } from "esbuild"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { listenTo } from "../../support/tls/openssl-server.ts"
import { testDirectory, testPki } from "../../support/tls/pki.ts"
import { startTlsServer, type TestTlsServer, targetOf } from "../../support/tls/tls-server.ts"

const root = join(import.meta.dirname, "../../..")
const pki = testPki()
const dir = testDirectory()
const bundle = join(dir, "client.cjs")
let server: TestTlsServer

/** Connects, and when its signature is wanted says so and does what `ending` holds. */
const client = `
  import { isMainThread, Worker } from "node:worker_threads"
  import { tlsAddon } from ${JSON.stringify(join(root, "src/platform/tls/tls-addon.ts"))}
  import { connectTls } from ${JSON.stringify(join(root, "src/platform/tls/tls-signer-stream.ts"))}
  import { trustStore } from ${JSON.stringify(join(root, "src/platform/tls/trust-store.ts"))}
  const { target, ending, inWorker } = JSON.parse(process.env.TEST_CLIENT)
  const endings = {
    exit: () => process.exit(0),
    throw: () => { throw new Error("uncaught on purpose") },
    wait: () => undefined,
    rejected: () => void Promise.reject(new Error("uncaught on purpose"))
  }
  if (inWorker && isMainThread) {
    const worker = new Worker(__filename)
    worker.on("message", () => setImmediate(() => worker.terminate()))
    worker.on("error", () => undefined)
    worker.on("exit", () => console.log("left", tlsAddon().connections()))
  } else {
    const stream = connectTls({ ...target, trusted: trustStore([target.trusted]) }, () => {
      if (!isMainThread) require("node:worker_threads").parentPort.postMessage("signing")
      console.log("signing", tlsAddon().connections())
      setImmediate(endings[ending])
      return new Promise(() => undefined)
    })
    stream.on("error", (error) => console.log(error.message))
  }
`

beforeAll(async () => {
  server = await startTlsServer(pki)
  const entry = join(dir, "client.ts")
  writeFileSync(entry, client)
  const nodePaths = [join(root, "node_modules")]
  await build({ entryPoints: [entry], outfile: bundle, bundle: true, platform: "node", format: "cjs", nodePaths })
})

afterAll(async () => {
  await server.close()
  pki.remove()
  rmSync(dir, { recursive: true, force: true })
})

const start = (ending: string, inWorker = false) => {
  const TEDGE_ADDON_DIR = process.env.TEDGE_ADDON_DIR ?? join(root, "dist")
  const TEST_CLIENT = JSON.stringify({
    target: { ...targetOf(pki, server.port), trusted: pki.caPem },
    ending,
    inWorker
  })
  const env = { ...process.env, TEDGE_ADDON_DIR, TEST_CLIENT }
  return spawn(process.execPath, [bundle], { env, stdio: ["ignore", "pipe", "pipe"] })
}

describe("a process that waits for a signature", () => {
  it.each([
    ["exits", "exit", 0],
    ["throws", "throw", 1],
    ["rejects", "rejected", 1]
  ])("%s and is gone", async (_what, ending, code) => {
    const child = start(ending)
    const says = listenTo(child.stdout)
    await says("signing 1")
    expect(await once(child, "exit")).toEqual([code, null])
  })

  it.each(["SIGTERM", "SIGINT"] as const)("ends by %s", async (signal) => {
    const child = start("wait")
    await listenTo(child.stdout)("signing 1")
    child.kill(signal)
    expect(await once(child, "exit")).toEqual([null, signal])
  })
})

describe("a worker thread that waits for a signature", () => {
  it.each(["wait", "exit", "throw"])("ends (%s) and leaves no connection in the process", async (ending) => {
    const child = start(ending, true)
    await listenTo(child.stdout)("left 0")
    expect(await once(child, "exit")).toEqual([0, null])
  })
})
