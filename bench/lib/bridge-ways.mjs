/** The brokers of the bridge measurement: the cloud, and a local one with the mapper beside it or with its own bridge. */
import { spawn } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createConfigDir, deviceEnvironment, executable } from "../../scripts/lib/device/device.mjs"
import { startMosquitto } from "../../scripts/lib/device/mosquitto.mjs"
import { freePort } from "../../scripts/lib/free-port.mjs"
import { withoutExtraCertificates } from "./process-memory.mjs"

const wide = ["max_queued_messages 0", "max_inflight_messages 100", "set_tcp_nodelay true"]

export const startCloud = async (dir, ca, ends) => {
  const server = await ca.issueServer("localhost")
  const port = await freePort()
  const folder = join(dir, "cloud")
  mkdirSync(folder)
  const socket = join(folder, "cloud.sock")
  const config = [
    ...wide,
    "per_listener_settings true",
    `listener 0 ${socket}`,
    "allow_anonymous true",
    `listener ${port} localhost`,
    "allow_anonymous false",
    `cafile ${ca.certificate}`,
    `certfile ${server.certificate}`,
    `keyfile ${server.key}`,
    "tls_version tlsv1.3",
    "require_certificate true",
    "use_identity_as_username true"
  ]
  const broker = await startMosquitto({ dir: folder, config, readyWhen: socket })
  ends.push(() => broker.stop())
  return { port, socket }
}

const localConfig = (port) => [...wide, `listener ${port} 127.0.0.1`, "allow_anonymous true"]

/** The mapper itself, as a service would run it. */
export const startOurs = async (dir, made, cloudPort, { until = "[cloud] MQTT bridge connected" } = {}) => {
  mkdirSync(dir)
  const port = await freePort()
  const broker = await startMosquitto({ dir: join(dir, "broker"), config: localConfig(port), readyWhen: port })
  const configDir = createConfigDir(dir)
  const device = withoutExtraCertificates(deviceEnvironment({ configDir, token: made.token }))
  const env = { ...device, TEDGE_RUN_PATH: join(dir, "run") }
  const settings = {
    "device.cryptoki.mode": "module",
    "device.cryptoki.module_path": made.token.modulePath,
    "device.cryptoki.pin": made.token.pin,
    "device.key_uri": made.key.uri,
    "device.cert_path": made.certificate,
    "c8y.url": "localhost",
    "c8y.mqtt": `localhost:${cloudPort}`,
    "c8y.root_cert_path": made.ca.certificate,
    "mqtt.client.port": port,
    "mqtt.bridge.reconnect_policy.initial_interval": "1s",
    "mqtt.bridge.reconnect_policy.maximum_interval": "1s"
  }
  const lines = Object.entries(settings).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
  writeFileSync(join(configDir, "tedge.toml"), lines.join(""), { mode: 0o600 })
  const mapper = spawn(executable("tedge-mapper"), ["c8y"], { env, stdio: ["ignore", "ignore", "pipe"] })
  await new Promise((resolve, reject) => {
    let said = ""
    mapper.stderr.on("data", (text) => {
      said = (said + text).slice(-2000)
      if (said.includes(until)) resolve()
    })
    mapper.on("exit", (code) => reject(new Error(`tedge-mapper ended with ${code}: ${said}`)))
  })
  const stop = async () => {
    const gone = new Promise((resolve) => mapper.removeAllListeners("exit").on("exit", resolve))
    mapper.kill("SIGTERM")
    await gone
    await broker.stop()
  }
  return { port, pid: mapper.pid, brokerPid: broker.pid, stop }
}

/** Mosquitto with its own bridge. */
export const startTheirs = async (dir, made, cloudPort) => {
  mkdirSync(dir)
  const port = await freePort()
  const identity = await made.ca.issueDeviceWithKey(`bench-mosquitto-${cloudPort}`)
  const config = [
    ...localConfig(port),
    "connection edge_to_c8y",
    `address localhost:${cloudPort}`,
    `bridge_cafile ${made.ca.certificate}`,
    `bridge_certfile ${identity.certificate}`,
    `bridge_keyfile ${identity.key}`,
    "bridge_tls_version tlsv1.3",
    "bridge_max_packet_size 0",
    "try_private false",
    "cleansession true",
    'topic s/us/# out 1 c8y/ ""'
  ]
  const broker = await startMosquitto({ dir: join(dir, "broker"), config, readyWhen: port })
  return { port, stop: () => broker.stop() }
}
