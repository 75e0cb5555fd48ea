/**
 * Runs a mosquitto of our own with a given configuration, until it is stopped.
 */
import { spawn } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { userInfo } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { find } from "../run.mjs"

const startLimitMs = 30_000

/**
 * `config`: the lines of mosquitto.conf. `readyWhen`: a port, or the path of a UNIX socket, that must answer.
 * Rejects with mosquitto's own words when it does not start. `trace` is called with the command before it runs.
 *
 * In a process group of its own: Ctrl-C is for us, who have to disconnect first.
 */
export const startMosquitto = async ({ dir, config, readyWhen, trace = () => undefined }) => {
  mkdirSync(dir, { recursive: true })
  const file = join(dir, "mosquitto.conf")
  // Started as root it would become user mosquitto, who cannot read a folder of ours.
  writeFileSync(file, [`user ${userInfo().username}`, "log_dest stderr", "log_type all", ...config, ""].join("\n"))
  trace(["mosquitto", "-c", file])
  const child = spawn(find("mosquitto") ?? "mosquitto", ["-c", file], {
    stdio: ["ignore", "ignore", "pipe"],
    detached: true
  })
  let log = ""
  child.stderr.setEncoding("utf8").on("data", (text) => {
    log += text
    // A line for each packet: of a million messages more than a string can hold.
    if (log.length > 2 * mostLogged) log = log.slice(-mostLogged)
  })
  const killWithUs = () => child.kill("SIGKILL")
  process.once("exit", killWithUs)
  let ended = false
  const end = new Promise((resolve) => {
    const finish = (reason) => {
      ended = true
      process.off("exit", killWithUs)
      resolve(reason)
    }
    child.once("error", (error) => finish(error.message))
    // All it said is here then: why it did not start, above all.
    child.once("close", (code, signal) => finish(`ended with ${signal ?? `exit code ${code}`}`))
  })
  const deadline = performance.now() + startLimitMs
  // Its own word first: on a port another process took, another broker answers.
  while (!(/ running$/m.test(log) && (await answers(readyWhen)))) {
    if (!ended && performance.now() < deadline) {
      await Promise.race([delay(20), end])
      continue
    }
    child.kill("SIGKILL")
    throw new Error(`mosquitto did not start: ${ended ? await end : "no answer"}\n${log}`)
  }
  return {
    pid: child.pid,
    /** All it has logged so far. */
    log: () => log,
    signal: (name) => child.kill(name),
    stop: async (name = "SIGTERM") => {
      if (ended) return
      child.kill(name)
      const patience = setTimeout(() => child.kill("SIGKILL"), 3000)
      await end
      clearTimeout(patience)
    }
  }
}

const answers = (target) =>
  new Promise((resolve) => {
    const socket = typeof target === "number" ? connect(target, "127.0.0.1") : connect(target)
    socket.once("connect", () => resolve(true))
    socket.once("error", () => resolve(false))
    socket.once("connect", () => socket.destroy())
  })

/** Characters of the log that are kept. */
const mostLogged = 4 * 1024 * 1024
