/**
 * A TPM for tests and benches: swtpm behind tpm2-abrmd on a D-Bus of its own, with tpm2-pkcs11 on top.
 *
 * The resource manager is there because tpm2-pkcs11 alone leaves objects in the TPM until it is full. Everything lives
 * in `dir`, on free ports, and ends with `stop`.
 */
import { execFileSync, spawn } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"

/** A running TPM without a token: see tpm.d.mts. Rejects, naming the program, when one is not installed. */
export const startTpm = async (dir) => {
  const running = []
  const stop = async () => void (await Promise.all(running.reverse().map(ended)))
  try {
    const modulePath = tpmModulePath()
    const { env, swtpm } = await startPrograms(dir, running, modulePath)
    return { modulePath, env, killTpm: () => void swtpm.kill("SIGKILL"), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** A TPM without a resource manager, as /dev/tpm0 is: whatever a process leaves in it stays. One process at a time. */
export const startBareTpm = async (dir) => {
  const running = []
  const stop = async () => void (await Promise.all(running.map(ended)))
  try {
    const modulePath = tpmModulePath()
    for (const folder of ["state", "store"]) mkdirSync(join(dir, folder), { recursive: true })
    const start = (program, ...args) => {
      const child = spawn(program, args, { stdio: "ignore" })
      child.on("error", () => undefined)
      running.push(child)
      return child
    }
    const { port } = await startSwtpm(join(dir, "state"), start)
    const tcti = `swtpm:host=127.0.0.1,port=${port}`
    return { modulePath, env: { TPM2_PKCS11_STORE: join(dir, "store"), TPM2_PKCS11_TCTI: tcti }, port, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

const tpmModulePath = () => {
  const path = modulePaths.find((candidate) => existsSync(candidate))
  if (path === undefined) throw new Error(`tpm2-pkcs11 is not installed: none of ${modulePaths.join(", ")} is there`)
  return path
}

const modulePaths = ["x86_64", "aarch64"].map((machine) => `/usr/lib/${machine}-linux-gnu/pkcs11/libtpm2_pkcs11.so`)

const startPrograms = async (dir, running, modulePath) => {
  const bus = join(dir, "bus")
  const env = {
    DBUS_SESSION_BUS_ADDRESS: `unix:path=${bus}`,
    TPM2_PKCS11_STORE: join(dir, "store"),
    TPM2_PKCS11_TCTI: "tabrmd:bus_type=session"
  }
  const start = (program, ...args) => {
    const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: "ignore" })
    child.on("error", () => undefined)
    running.push(child)
    return child
  }
  for (const folder of ["state", "store"]) mkdirSync(join(dir, folder), { recursive: true })
  writeFileSync(join(dir, "bus.conf"), busConfiguration(bus))
  start("dbus-daemon", `--config-file=${join(dir, "bus.conf")}`, "--nofork")
  await until("dbus-daemon", () => existsSync(bus))
  const { swtpm, port } = await startSwtpm(join(dir, "state"), start)
  const user = process.getuid() === 0 ? ["--allow-root"] : []
  start("tpm2-abrmd", ...user, "--session", `--tcti=swtpm:host=127.0.0.1,port=${port}`)
  const listSlots = () => execFileSync("pkcs11-tool", ["--module", modulePath, "--list-slots"], quietly(env)).toString()
  await until("tpm2-abrmd", () => succeeds(() => listSlots().includes("Slot 0")))
  return { env, swtpm }
}

const quietly = (env) => ({ env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] })

/** As the stock session bus: without "eavesdrop" the broker is not heard. */
const busConfiguration = (path) => `<!DOCTYPE busconfig PUBLIC
  "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=${path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`

/**
 * swtpm's commands go to one port and its control channel is the next one. A port that looks free may be taken before
 * swtpm binds it, or be kept by a connection that has just ended: swtpm gives up then, and gets another pair.
 */
const startSwtpm = async (state, start) => {
  for (let tries = 0; tries < 10; tries++) {
    const port = lowestPort + Math.floor(Math.random() * (ephemeralPorts - lowestPort - 1))
    if (isListening(port) || isListening(port + 1)) continue
    const socket = (kind, at) => [`--${kind}`, `type=tcp,port=${at},bindaddr=127.0.0.1`]
    const where = ["--tpmstate", `dir=${state}`, "--flags", "not-need-init,startup-clear"]
    const swtpm = start("swtpm", "socket", "--tpm2", ...socket("server", port), ...socket("ctrl", port + 1), ...where)
    const hasEnded = () => swtpm.exitCode !== null || swtpm.signalCode !== null || swtpm.pid === undefined
    await until("swtpm", () => hasEnded() || (isListening(port) && isListening(port + 1)))
    if (!hasEnded()) return { swtpm, port }
  }
  throw new Error("swtpm ended at once, ten times; is it installed?")
}

/** Below the ports that Linux gives to outgoing connections. */
const ephemeralPorts = 32_768
const lowestPort = 20_000

/** Looked up, not tried: swtpm ends with its first connection. */
const isListening = (port) =>
  readFileSync("/proc/net/tcp", "utf8").includes(
    `:${port.toString(16).toUpperCase().padStart(4, "0")} 00000000:0000 0A`
  )

const until = async (what, isReady) => {
  for (const startedAt = performance.now(); !isReady(); await pause(20))
    if (performance.now() - startedAt > 30_000)
      throw new Error(`${what} did not start within 30 s; are they installed?`)
}

const succeeds = (work) => {
  try {
    return work()
  } catch {
    // pkcs11-tool fails until the resource manager has its name on the bus.
    return false
  }
}

const ended = (child) =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) resolve()
    else child.once("exit", resolve).kill("SIGKILL")
  })
