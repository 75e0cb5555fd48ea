/**
 * `npm run demo`: the main job from an empty machine to a measurement in the cloud, on real parts, with each command shown.
 *
 * Everything lives in one temporary directory and is gone at the end, also after Ctrl-C or a failure.
 * Exit codes: 0 all was seen to work; 1 not; 130 interrupted.
 */
import "./lib/node-version.mjs"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { killProcessesOf, processesOf } from "./lib/processes.mjs"
import { run } from "./lib/run.mjs"
import { SetupFailed, setup } from "./setup.mjs"

const deviceId = "demo-device"
const measurement = "200,c8y_Temperature,T,25"
const operation = `510,${deviceId}`

class DemoFailed extends Error {}

/** Ctrl-C. What runs at that moment gets it from the terminal as well. */
const interrupted = new AbortController()
const interruption = new Promise((_, reject) =>
  interrupted.signal.addEventListener("abort", () => reject(interrupted.signal.reason))
)
interruption.catch(() => undefined) // there may be no waiter

const main = async () => {
  await setup("demo")
  stopIfInterrupted()
  const dir = mkdtempSync(join(tmpdir(), "tedge-demo-"))
  const undo = []
  try {
    await show(dir, undo)
  } finally {
    await cleanUp(dir, undo)
  }
}

/** The demo itself. `undo` collects what has to be ended, in the order it was begun. */
const show = async (dir, undo) => {
  const {
    createConfigDir,
    createTokenAndCertificate,
    deviceEnvironment,
    executable,
    guideSettings,
    placeSettings,
    startLocalBroker
  } = await import("./lib/device/device.mjs")
  const { startFakeCloud } = await import("./lib/device/fake-cloud.mjs") // needs npm packages, so not before the set-up
  const trace = (command) => {
    stopIfInterrupted()
    print(`$ ${command.map(quote).join(" ").replaceAll(dir, "$DEMO")}`)
  }

  title("A token with a key inside, and a certificate for it from a test authority")
  print(`$ DEMO=${dir}`)
  print(`$ export SOFTHSM2_CONF=$DEMO/softhsm/softhsm2.conf TEDGE_CONFIG_DIR=$DEMO/config`)
  const made = await createTokenAndCertificate({ dir, deviceId, trace })

  title("A cloud (TLS 1.3 only, client certificates required) and the local broker")
  const cloud = await startFakeCloud({ dir: join(dir, "cloud"), ca: made.ca, trace })
  undo.push(() => cloud.close())
  const broker = await startLocalBroker({ dir, trace })
  undo.push(() => broker.stop())

  const configDir = createConfigDir(dir)
  const env = deviceEnvironment({ configDir, token: made.token })
  const command = async (name, args, options = {}) => {
    trace([name, ...args])
    const path = name === "tedge" ? executable(name) : name
    const done = await run(path, args, { env, show: true, ...options })
    stopIfInterrupted()
    if (done.code !== 0) throw new DemoFailed(`${name} ${args[0]} ended with exit code ${done.code}`)
    return done
  }

  title("The settings of the guide")
  for (const [key, value] of guideSettings(made)) await command("tedge", ["config", "set", key, value])
  title("The settings of this place")
  for (const [key, value] of placeSettings({ dir, ...made, cloud, localPort: broker.port }))
    await command("tedge", ["config", "set", key, value])

  title("Connect")
  undo.push(() => run(executable("tedge"), ["disconnect", "c8y"], { env, timeoutMs: 60_000 }))
  await command("tedge", ["connect", "c8y"])

  title("A measurement goes to the cloud")
  await command("mosquitto_pub", ["-p", String(broker.port), "-q", "1", "-t", "c8y/s/us", "-m", measurement])
  const isMeasurement = (message) => message.topic === "s/us" && message.payload === measurement
  const { topic, payload } = await orInterrupted(cloud.waitFor(isMeasurement, `'${measurement}' on s/us`))
  print(`the cloud received on ${topic}: ${payload}`)

  title("An operation comes from the cloud")
  const listen = ["-p", String(broker.port), "-t", "c8y/s/ds", "-C", "1", "-W", "10"]
  const listening = command("mosquitto_sub", listen, { show: false })
  listening.catch(() => undefined) // awaited below
  await orInterrupted(until(() => broker.log().includes("c8y/s/ds (QoS 0)"), "mosquitto_sub to subscribe"))
  print(`the cloud sends on s/ds: ${operation}`)
  await cloud.publish("s/ds", operation)
  const received = (await listening).stdout.trim()
  print(`the device received on c8y/s/ds: ${received}`)
  if (received !== operation) throw new DemoFailed(`'${operation}' was expected`)

  title("Disconnect")
  await command("tedge", ["disconnect", "c8y"])
  undo.pop()
}

const cleanUp = async (dir, undo) => {
  for (const end of undo.reverse())
    await end().catch((error) => process.stderr.write(`demo: cleaning up: ${error.message}\n`))
  await until(() => processesOf(dir).length === 0, "").catch(() => undefined)
  const left = killProcessesOf(dir)
  rmSync(dir, { recursive: true, force: true })
  if (left.length > 0)
    throw new DemoFailed(`left running, now killed:\n${left.map(({ command }) => `  ${command}`).join("\n")}`)
  print("\nNothing is left running, and the directory is gone.")
}

const until = async (done, what) => {
  const deadline = performance.now() + 10_000
  while (!done()) {
    if (performance.now() > deadline) throw new DemoFailed(`waited in vain for ${what}`)
    await delay(20)
  }
}

const orInterrupted = (promise) => Promise.race([promise, interruption])

const stopIfInterrupted = () => {
  if (interrupted.signal.aborted) throw interrupted.signal.reason
}

const print = (text) => process.stdout.write(`${text}\n`)

const title = (text) => {
  stopIfInterrupted()
  print(`\n# ${text}`)
}

const quote = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(signal, () => interrupted.abort(new DemoFailed("interrupted; cleaning up")))

try {
  await main()
  print("The demo did what it should.")
} catch (error) {
  const expected = [DemoFailed, SetupFailed, Error].includes(error.constructor) // not TypeError and its like: ours
  process.stderr.write(`demo: ${expected ? error.message : error.stack}\n`)
  process.exitCode = interrupted.signal.aborted ? 130 : 1
}
