/**
 * Runs other programs for the scripts: found also in /usr/sbin, which an ordinary user's PATH leaves out.
 */
import { spawn } from "node:child_process"
import { accessSync, constants, statSync } from "node:fs"
import { delimiter, join } from "node:path"

const extraFolders = ["/usr/local/sbin", "/usr/sbin", "/sbin"]

/** The path of a command, or undefined. */
export const find = (command) =>
  [...(process.env.PATH ?? "").split(delimiter), ...extraFolders]
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, command))
    .find(isExecutable)

const isExecutable = (path) => {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/**
 * Runs a command to its end. Never rejects for a bad exit: `code` tells (127 when there is no such command).
 *
 * `show`: the output goes to our own terminal instead of into `stdout` and `stderr`.
 * `onOutput`: told each piece of output, for those who show and keep it.
 * `timeoutMs`: after it the process is ended by SIGKILL and `signal` says so.
 */
export const run = (command, args = [], options = {}) =>
  new Promise((resolve) => {
    const { show = false, input, onOutput, timeoutMs, ...spawnOptions } = options
    const output = show ? "inherit" : "pipe"
    const child = spawn(find(command) ?? command, args, {
      ...spawnOptions,
      stdio: [input === undefined ? "ignore" : "pipe", output, output]
    })
    const collected = { stdout: "", stderr: "" }
    for (const name of ["stdout", "stderr"]) {
      child[name]?.setEncoding("utf8").on("data", (text) => {
        collected[name] += text
        onOutput?.(text, name)
      })
    }
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), timeoutMs)
    const finish = (code, signal, error = "") => {
      clearTimeout(timer)
      resolve({ code, signal, stdout: collected.stdout, stderr: collected.stderr + error })
    }
    child.once("error", (error) => finish(127, null, error.message))
    child.once("close", (code, signal) => finish(code ?? 1, signal))
    if (input !== undefined) child.stdin?.on("error", () => undefined).end(input) // it may end without reading
  })

/** `run`, for commands that must succeed: otherwise an error with what the command said. */
export const mustRun = async (command, args = [], options = {}) => {
  const done = await run(command, args, options)
  if (done.code === 0) return done
  const said = `${done.stdout}\n${done.stderr}`.trim()
  throw new Error(`${[command, ...args].join(" ")}\nended with ${done.signal ?? `exit code ${done.code}`}\n${said}`)
}
