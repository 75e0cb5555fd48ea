/**
 * How long a command takes to start, answer and end, and the signing service to its first answer, against a Node that does
 * nothing. Medians, taken in turns.
 */
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { medianOf, sampled } from "../scripts/lib/bench/judge.mjs"
import { executable } from "../scripts/lib/device/device.mjs"
import { createSoftToken } from "../scripts/lib/device/soft-token.mjs"
import { withoutExtraCertificates } from "./lib/process-memory.mjs"

const sizes = { full: { least: 21, most: 41 }, smoke: { most: 1 } }

export const measure = async ({ effort = "full" }) => {
  const dir = mkdtempSync(join(tmpdir(), "tedge-bench-"))
  writeFileSync(join(dir, "tedge.toml"), '[c8y]\nurl = "localhost"\n')
  const tedge = executable("tedge")
  const commands = {
    "node -e 0": ["-e", "0"],
    "tedge config get": [tedge, "--config-dir", dir, "config", "get", "c8y.url"],
    "tedge --version": [tedge, "--version"],
    "tedge --help": [tedge, "--help"]
  }
  const status = "tedge status, of the signing service"
  const ping = "tedge-p11-server, start to its first answer to a Ping"
  const names = [...Object.keys(commands), ping, status]
  const times = Object.fromEntries(names.map((name) => [name, []]))
  const token = await createSoftToken({ dir: join(dir, "softhsm"), label: "bench", pin: "123456" })
  try {
    // All in turn, until the noisiest of them is known well enough.
    await sampled(async () => {
      for (const [name, args] of Object.entries(commands)) times[name].push(timed(args))
      await withService(dir, token, (place, took) => {
        times[ping].push(took)
        // There is no mapper: something is down.
        times[status].push(timed([tedge, "--config-dir", place, "status"], 3))
      })
      return ratios(times, "tedge --version").at(-1)
    }, sizes[effort])
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
  const bare = medianOf(times["node -e 0"])
  const limits = { "tedge config get": 1.3, "tedge --help": 3.5, [ping]: 4, [status]: 6 }
  return names.slice(1).map((name) => ({
    what: name in commands ? `${name}, start to end` : name,
    value: `${medianOf(times[name]).toFixed(0)} ms`,
    against: `node -e 0, ${bare.toFixed(0)} ms`,
    samples: ratios(times, name),
    limit: limits[name]
  }))
}

const env = withoutExtraCertificates()

/** `use` gets its configuration and how long it took to answer: asked again and again, as a client that waits for it would. */
const withService = async (dir, token, use) => {
  const place = mkdtempSync(join(dir, "service-"))
  const config = join(place, "config")
  mkdirSync(config)
  const socket = join(place, "p11.sock")
  const cryptoki = `[device.cryptoki]\nmode = "socket"\nsocket_path = "${socket}"\n`
  writeFileSync(join(config, "tedge.toml"), `run.path = "${place}"\n[c8y]\nurl = "localhost"\n${cryptoki}`)
  const args = ["--config-dir", config, "--module-path", token.modulePath, "--socket-path", socket]
  const started = performance.now()
  const service = spawn(process.execPath, [executable("tedge-p11-server"), ...args], {
    env: { ...env, ...token.env, TEDGE_DEVICE_CRYPTOKI_PIN: token.pin },
    stdio: "ignore"
  })
  const gone = once(service, "exit")
  const giveUp = setTimeout(() => service.kill("SIGKILL"), 30_000)
  while (!(await answersPing(socket)))
    if (service.exitCode !== null || service.signalCode !== null) throw new Error("tedge-p11-server ended")
  const took = performance.now() - started
  await appeared(join(place, "tedge-actors/tedge-p11-server.sock"))
  use(config, took)
  clearTimeout(giveUp)
  service.kill("SIGTERM")
  await gone
}

const appeared = async (path) => {
  while (!existsSync(path)) await delay(1)
}

/** Ping and Pong of the protocol, version 1: variants 8 and 9. */
const answersPing = (path) =>
  new Promise((resolve) => {
    const socket = connect(path, () => socket.end(Buffer.from([0, 8])))
    socket.on("data", (answer) => resolve(answer.equals(Buffer.from([0, 9]))))
    socket.on("error", () => setTimeout(resolve, 1, false))
    socket.on("close", () => resolve(false))
  })

const timed = (args, code = 0) => {
  const started = performance.now()
  const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: "utf8" })
  if (status !== code) throw new Error(`${args.join(" ")} ended with exit code ${status}: ${stderr}`)
  return performance.now() - started
}

const ratios = (times, name) => times[name].map((time, round) => time / times["node -e 0"][round])
