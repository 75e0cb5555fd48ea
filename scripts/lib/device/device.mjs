/**
 * A device ready to connect, with everything around it in one directory: token, certificate, local broker and cloud.
 *
 * What the demo shows and the end-to-end tests start from.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { userInfo } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { startOnFreePort } from "../free-port.mjs"
import { run } from "../run.mjs"
import { startFakeCloud } from "./fake-cloud.mjs"
import { startMosquitto } from "./mosquitto.mjs"
import { createSoftToken } from "./soft-token.mjs"
import { createTestCa } from "./test-ca.mjs"

const bin = join(dirname(fileURLToPath(import.meta.url)), "../../../bin")

/** The path of one of our executables. */
export const executable = (name) => join(bin, name)

/** Token and certificate: the key is made inside the token, the certificate names the device. */
export const createTokenAndCertificate = async ({ dir, deviceId, pin, trace }) => {
  const token = await createSoftToken({ dir: join(dir, "softhsm"), label: "my-token", pin, trace })
  const key = await token.generateKey("my-key", "01")
  const ca = await createTestCa(join(dir, "ca"), "Test CA", trace)
  return { token, key, ca, certificate: await ca.issueDevice(deviceId, key.publicKey) }
}

/** A broker for the device itself: no TLS, this machine only. */
export const startLocalBroker = async ({ dir, trace }) => {
  const { port, started } = await startOnFreePort((port) => {
    const config = [`listener ${port} 127.0.0.1`, "allow_anonymous true"]
    return startMosquitto({ dir: join(dir, "local-broker"), config, readyWhen: port, trace })
  })
  return { port, ...started }
}

/** The lines of the guide, step 2 and 3: [key, value]. */
export const guideSettings = ({ token, key }) => [
  ["device.cryptoki.mode", "module"],
  ["device.cryptoki.module_path", token.modulePath],
  ["device.key_uri", key.uri],
  ["mqtt.bridge.built_in", "true"]
]

/** What is particular to this device and this cloud: [key, value]. */
export const placeSettings = ({ dir, token, certificate, cloud, localPort }) => [
  ["device.cert_path", certificate],
  ["device.cryptoki.pin", token.pin],
  ["c8y.url", cloud.host],
  ["c8y.mqtt", cloud.address],
  ["c8y.root_cert_path", cloud.caFile],
  ["mqtt.bind.port", String(localPort)],
  ["mqtt.client.port", String(localPort)],
  ["run.path", join(dir, "run")],
  ["logs.path", join(dir, "log")],
  ["data.path", join(dir, "data")],
  ["tmp.path", join(dir, "tmp")]
]

/** Folders and system.toml as an installation leaves them; files belong to the user who runs this. */
export const createConfigDir = (dir) => {
  const configDir = join(dir, "config")
  for (const folder of [
    configDir,
    join(configDir, "mosquitto-conf"),
    ...["run", "log", "data", "tmp"].map((name) => join(dir, name))
  ])
    mkdirSync(folder, { recursive: true })
  const user = userInfo().username
  writeFileSync(join(configDir, "system.toml"), `user = "${user}"\ngroup = ""\n`)
  return configDir
}

/** What `tedge` needs in its environment: only these settings, only this token. */
export const deviceEnvironment = ({ configDir, token }) => {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("TEDGE_"))
  return { ...Object.fromEntries(inherited), ...token.env, TEDGE_CONFIG_DIR: configDir }
}

/** All of it at once, configured; nothing is connected yet. Call `close` in the end. */
export const createDevice = async ({ dir, deviceId, pin }) => {
  const made = await createTokenAndCertificate({ dir, deviceId, pin })
  const cloud = await startFakeCloud({ dir: join(dir, "cloud"), ca: made.ca })
  const broker = await startLocalBroker({ dir })
  const configDir = createConfigDir(dir)
  const env = deviceEnvironment({ configDir, token: made.token })
  const tedge = (args, options = {}) => run(executable("tedge"), args, { env, timeoutMs: 120_000, ...options })
  const settings = [...guideSettings(made), ...placeSettings({ dir, ...made, cloud, localPort: broker.port })]
  for (const [key, value] of settings) await mustSet(tedge, key, value)
  const close = async () => {
    await tedge(["disconnect", "c8y"])
    await broker.stop()
    await cloud.close()
  }
  return { dir, deviceId, ...made, cloud, broker, configDir, env, tedge, close }
}

const mustSet = async (tedge, key, value) => {
  const { code, stderr } = await tedge(["config", "set", key, value])
  if (code !== 0) throw new Error(`tedge config set ${key} ended with exit code ${code}\n${stderr}`)
}
