/** A device in a container, as the checks see it: commands that are run in it, its cloud, and waiting for what is to become true. */
import { spawn } from "node:child_process"
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { CheckFailed } from "./demand.mjs"

const surroundingsFile = join(dirname(fileURLToPath(import.meta.url)), "surroundings.mjs")

/**
 * `container`: one with systemd, or a root without. `dir`: for the cloud's files. `cloudHost`: the cloud's name where it is not in
 * the container. Call `close` in the end; the container is the caller's.
 */
export const openDevice = async (container, dir, cloudHost = "localhost") => {
  await container.exec(["sh", "-c", 'echo "127.0.0.1 localhost tedge-device" >>/etc/hosts'])
  const cloud = await startSurroundings(container, dir, cloudHost)

  const journal = async (...words) => (await container.exec(["journalctl", "--no-pager", "-o", "cat", ...words])).stdout
  /** The last of what our units said, for a failure. */
  const lastWords = async () => (await journal("-n", "40", "-u", "tedge-*")).trim()

  /** Runs a command; answers what it printed on standard output. */
  const must = async (...argv) => {
    const done = await container.exec(argv)
    if (done.code === 0) return done.stdout
    const said = `${argv.join(" ")}\nended with ${done.signal ?? `exit code ${done.code}`}\n${done.stdout}${done.stderr}`
    throw new CheckFailed(argv[0] === "systemctl" ? `${said}${await lastWords()}` : said)
  }

  /** Waits for what `found` answers that is not undefined or false. Long: a loaded machine takes its time. */
  const until = async (found, what, limitMs = 180_000) => {
    const startedAt = performance.now()
    for (;;) {
      const value = await found()
      if (value !== undefined && value !== false) return value
      if (performance.now() - startedAt > limitMs)
        throw new CheckFailed(`this did not become true: ${what}\n${await lastWords()}`)
      await delay(200)
    }
  }
  const show = async (unit, property) =>
    (await must("systemctl", "show", "--value", `--property=${property}`, unit)).trim()

  return {
    ...container,
    must,
    journal,
    until,
    show,
    cloud,
    tedge: (...words) => must("tedge", ...words),
    /** Files of the device. */
    write: (path, content, mode = 0o644) => {
      mkdirSync(dirname(container.path(path)), { recursive: true })
      writeFileSync(container.path(path), content, { mode })
    },
    /** Without apt: all it needs is there. */
    install: async (files) => {
      const inner = files.map((file) => `/root/${basename(file)}`)
      for (const [index, file] of files.entries()) copyFileSync(file, container.path(inner[index]))
      await must("dpkg", "--install", "--force-downgrade", ...inner)
    },
    read: (path) => readFileSync(container.path(path), "utf8"),
    mainPid: (unit) => show(unit, "MainPID"),
    /** The cloud has an answer for the device over the connection of its mapper. */
    isConnected: async () => (await container.exec(["tedge", "connect", "c8y", "--test"])).code === 0,
    close: () => cloud.close()
  }
}

/** Each call of surroundings.mjs as a function. */
const startSurroundings = async (container, dir, cloudHost) => {
  mkdirSync(dir, { recursive: true })
  const [command, ...args] = container.onItsNetwork([process.execPath, surroundingsFile, dir, cloudHost])
  const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] })
  const exited = new Promise((resolve) => child.once("exit", resolve))
  const waiting = new Map()
  let lastId = 0
  const ready = new Promise((resolve, reject) => {
    child.on("message", ({ id, answer, error, ready: isReady }) => {
      if (isReady) return resolve()
      const { done, failed } = waiting.get(id)
      waiting.delete(id)
      if (error === undefined) done(answer)
      else failed(new Error(error))
    })
    child.once("exit", (code) => reject(new Error(`the device's surroundings ended with ${code}`)))
  })
  await ready
  const ask = (call, ...callArguments) =>
    new Promise((done, failed) => {
      lastId += 1
      waiting.set(lastId, { done, failed })
      child.send({ id: lastId, call, args: callArguments })
    })
  return {
    ask,
    close: async () => {
      if (child.connected) child.disconnect()
      await exited
    }
  }
}
