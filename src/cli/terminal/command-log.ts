/**
 * The log of a command that has lost its terminal: syslog (the journal under systemd), else `tedge.log` in
 * `logs.path`. Written synchronously, line by line, so that nothing is lost if the process ends.
 */
import { spawnSync } from "node:child_process"
import { closeSync, constants, existsSync, fstatSync, mkdirSync, openSync, writeSync } from "node:fs"
import { join } from "node:path"
import { fastGet } from "../commands/config/get-fast.ts"

export const commandLog =
  (configDir: string | undefined) =>
  (text: string): void => {
    if (existsSync("/dev/log") && spawnSync("logger", ["-t", "tedge"], { input: text, timeout: 5000 }).status === 0)
      return
    try {
      append(logDirectory(configDir), text)
    } catch {
      // no output is left; the command continues
    }
  }

const append = (directory: string, text: string): void => {
  mkdirSync(directory, { recursive: true })
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
  // The directory belongs to the services' user: its symlinks are not followed.
  const file = openSync(join(directory, "tedge.log"), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o640)
  try {
    const found = fstatSync(file)
    if (!found.isFile() || found.nlink !== 1) return
    const at = new Date().toISOString()
    const lines = text.split("\n").filter((line) => line !== "")
    writeSync(file, lines.map((line) => `${at}  INFO tedge[${process.pid}]: ${line}\n`).join(""))
  } finally {
    closeSync(file)
  }
}

/** Read without actors: there may be no time for more. */
const logDirectory = (configDir: string | undefined): string => {
  const found = fastGet({ key: "logs.path", configDir, environment: process.env, workingDir: process.cwd() })
  return found?.trim() ?? "/var/log/tedge"
}
