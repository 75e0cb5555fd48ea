/**
 * Commands in a virtual machine, by the agent that runs in it (qemu-guest-agent, over virtio-serial): no network and no console is
 * needed, so both may fail in there.
 *
 * Source: QEMU Guest Agent Protocol Reference, guest-sync, guest-exec, guest-exec-status.
 */
import { setTimeout as delay } from "node:timers/promises"
import { connectLines } from "./json-lines.mjs"

/** An answer in an emulated machine under load takes its time; without one the machine hangs. */
const answerMs = 180_000
const commandMs = 3_600_000

export const openAgent = async (path, isAlive) => {
  let waiting
  const wire = await connectLines(path, (value) => waiting?.(value), isAlive)
  let last = Promise.resolve()
  let lastSync = 0

  /** The agent answers one request after the other. `isOurs`: false for the late answer to a request that was given up. */
  const ask = (execute, args, { limitMs = answerMs, isOurs = () => true } = {}) => {
    const answer = last.then(() => exchange({ execute, arguments: args }, limitMs, isOurs))
    last = answer.catch(() => undefined)
    return answer
  }
  const exchange = (request, limitMs, isOurs) =>
    new Promise((resolve, reject) => {
      const end = (settle, value) => {
        clearTimeout(timer)
        waiting = undefined
        settle(value)
      }
      const timer = setTimeout(() => end(reject, new Error(`no answer to ${request.execute}`)), limitMs)
      waiting = (value) => {
        if (value.error !== undefined) end(reject, new Error(`${request.execute}: ${value.error.desc}`))
        else if (isOurs(value.return)) end(resolve, value.return)
      }
      wire.send(request)
    })

  const endOf = async (pid, argv) => {
    const startedAt = performance.now()
    for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 1.5, 1000)) {
      const now = await ask("guest-exec-status", { pid })
      if (now.exited) return now
      if (performance.now() - startedAt > commandMs) throw new Error(`${argv.join(" ")}\ndid not end`)
      await delay(pauseMs)
    }
  }
  return {
    /** Resolves when the agent of a machine that boots answers. */
    ready: async (limitMs) => {
      const startedAt = performance.now()
      for (;;) {
        lastSync += 1
        const id = lastSync
        const isThere = await ask("guest-sync", { id }, { limitMs: 2000, isOurs: (got) => got === id }).then(
          () => true,
          () => false
        )
        if (isThere) return
        if (!isAlive()) throw new Error("the machine ended while it booted")
        if (performance.now() - startedAt > limitMs) throw new Error("the machine did not boot: its agent is silent")
      }
    },
    /** As `run` of lib/run.mjs; never rejects for a bad exit. */
    exec: async (argv, { input, env = {} } = {}) => {
      const [path, ...arg] = argv
      const { pid } = await ask("guest-exec", {
        path,
        arg,
        env: [...inherited, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)],
        "capture-output": true,
        ...(input === undefined ? {} : { "input-data": Buffer.from(input).toString("base64") })
      })
      const done = await endOf(pid, argv)
      const text = (data = "") => Buffer.from(data, "base64").toString()
      return {
        code: done.exitcode ?? 1,
        signal: done.signal ?? null,
        stdout: text(done["out-data"]),
        stderr: text(done["err-data"])
      }
    },
    /** Starts a command and waits for nothing, not even for the agent's answer: `systemctl reboot` may take it away. */
    start: ([path, ...arg]) =>
      ask("guest-exec", { path, arg, env: inherited }, { limitMs: 10_000 }).catch(() => undefined),
    close: wire.close
  }
}

const inherited = ["HOME=/root", "LC_ALL=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
