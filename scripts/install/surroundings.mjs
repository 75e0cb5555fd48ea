/**
 * What is around the device in a container: a cloud, its certificate authority, and a client of the local broker.
 *
 * Runs in the network of the container (`nsenter --net`) with the programs of this machine, and is spoken to over
 * Node's IPC: `{ id, call, args }` is answered by `{ id, answer }` or `{ id, error }`. It ends with its parent.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import mqtt from "mqtt"
import { startFakeCloud } from "../lib/device/fake-cloud.mjs"
import { createTestCa } from "../lib/device/test-ca.mjs"
import { mustRun, run } from "../lib/run.mjs"
import { insertCard } from "./smart-card.mjs"

const [dir, host] = process.argv.slice(2)
const ca = await createTestCa(join(dir, "ca"))
const cloud = await startFakeCloud({ dir: join(dir, "cloud"), ca, host })

const calls = {
  host: () => cloud.host,
  address: () => cloud.address,
  authority: () => readFileSync(ca.certificate, "utf8"),
  /** PEM of a request -> PEM of a certificate for its key. */
  certify: async (request) => {
    const file = join(dir, "device.csr")
    writeFileSync(file, request)
    const { stdout } = await mustRun("openssl", ["req", "-in", file, "-noout", "-pubkey", "-subject"])
    const key = join(dir, "device.pub")
    writeFileSync(key, stdout.slice(stdout.indexOf("-----BEGIN"), stdout.indexOf("-----END") + 24))
    const id = /CN\s*=\s*([^,\n]+)/.exec(stdout)?.[1]
    return readFileSync(await ca.issueDevice(id, key), "utf8")
  },
  /** PEM of a self-signed certificate: from now on the cloud takes the device that has it. */
  trust: (certificate) => {
    const file = join(dir, "trusted.pem")
    writeFileSync(file, certificate)
    return cloud.trustOnly(file)
  },
  /** PEM of a request -> whether its signature is of its key. */
  isSigned: async (request) => {
    const file = join(dir, "signed.csr")
    writeFileSync(file, request)
    return (await run("openssl", ["req", "-in", file, "-noout", "-verify"])).code === 0
  },
  insertCard: (pin) => insertCard(join(dir, "card"), pin),
  /** The payload that is retained on a topic of the local broker, or the next one. */
  localPayload: async (topic) => {
    const client = await mqtt.connectAsync("mqtt://127.0.0.1:1883")
    try {
      const heard = new Promise((resolve) => client.once("message", (_, payload) => resolve(String(payload))))
      await client.subscribeAsync(topic)
      return await heard
    } finally {
      await client.endAsync()
    }
  },
  /** To the local broker, with QoS 1. */
  publish: async (topic, payload) => {
    const client = await mqtt.connectAsync("mqtt://127.0.0.1:1883")
    await client.publishAsync(topic, payload, { qos: 1 })
    await client.endAsync()
  },
  /** Payloads that came to the cloud on a topic. */
  received: (topic) => cloud.received.filter((message) => message.topic === topic).map(({ payload }) => payload),
  countReceived: (topic) => cloud.received.filter((message) => message.topic === topic).length,
  stopCloud: () => cloud.stopBroker(),
  startCloud: () => cloud.startBroker(),
  startFlow: (topic, intervalMs) => startFlow(topic, intervalMs),
  /** Answers what the local broker acknowledged. */
  stopFlow: () => stopFlow()
}

let flow

/** One message of QoS 1 after the other, whatever happens to the services meanwhile. */
const startFlow = async (topic, intervalMs) => {
  const client = await mqtt.connectAsync("mqtt://127.0.0.1:1883", { clientId: "flow", clean: false, keepalive: 0 })
  const acknowledged = []
  const state = { isOver: false }
  const running = (async () => {
    for (let number = 1; !state.isOver; number++) {
      await client.publishAsync(topic, `message ${number}`, { qos: 1 })
      acknowledged.push(`message ${number}`)
      await delay(intervalMs)
    }
  })()
  flow = { client, acknowledged, running, state }
}

const stopFlow = async () => {
  flow.state.isOver = true
  await flow.running
  await flow.client.endAsync()
  return flow.acknowledged
}

process.on("message", async ({ id, call, args }) => {
  try {
    process.send({ id, answer: await calls[call](...args) })
  } catch (error) {
    process.send({ id, error: String(error.stack) })
  }
})
process.on("disconnect", async () => {
  await cloud.close()
  process.exit(0)
})
process.send({ ready: true })
