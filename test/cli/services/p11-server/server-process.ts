/** tedge-p11-server as a process, over SoftHSM2 tokens of its own, in a directory of its own. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { onTestFinished } from "vitest"
import { executable } from "../../../support/device/device.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { type SoftHsmDirectory, softhsmDirectory } from "../../../support/token/softhsm.ts"

export interface ServerPlace {
  readonly dir: string
  readonly socketPath: string
  readonly hsm: SoftHsmDirectory
  /** Writes tedge.toml. */
  readonly configure: (toml: string) => void
  readonly start: (options?: StartOptions) => ServerProcess
}

export interface StartOptions {
  readonly args?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  /** In place of `--config-dir`, the module and the socket of the place. */
  readonly onlyArgs?: ReadonlyArray<string>
  readonly command?: ReadonlyArray<string>
}

export interface ServerProcess {
  readonly child: ChildProcess
  /** What it has written to stderr. */
  readonly log: () => string
  /** Waits for a text in the log; from the position on, if given. */
  readonly logged: (text: string, from?: number) => Promise<string>
  readonly ended: Promise<number | null>
}

/** Call inside a test: everything ends with it. */
export const serverPlace = (): ServerPlace => {
  const dir = tempDir()
  const hsm = softhsmDirectory()
  onTestFinished(hsm.cleanup)
  const configDir = join(dir, "config")
  for (const folder of ["config", "run"]) mkdirSync(join(dir, folder))
  const socketPath = join(dir, "s.sock")
  return {
    dir,
    socketPath,
    hsm,
    configure: (toml) => writeFileSync(join(configDir, "tedge.toml"), toml, { mode: 0o640 }),
    start: ({ args = [], env = {}, onlyArgs, command = [] } = {}) => {
      const all = onlyArgs ?? [
        ...["--config-dir", configDir, "--module-path", hsm.modulePath, "--socket-path", socketPath],
        ...args
      ]
      const [program = "", ...words] = [...command, executable("tedge-p11-server"), ...all]
      const child = spawn(program, words, {
        cwd: dir,
        env: { PATH: process.env.PATH, ...hsm.env, TEDGE_RUN_PATH: join(dir, "run"), ...env },
        stdio: ["ignore", "ignore", "pipe"]
      })
      onTestFinished(() => void child.kill("SIGKILL"))
      return serverProcess(child)
    }
  }
}

const serverProcess = (child: ChildProcess): ServerProcess => {
  let text = ""
  child.stderr?.on("data", (chunk) => {
    text += String(chunk)
  })
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve))
  return {
    child,
    log: () => text,
    ended,
    logged: async (wanted, from = 0) => {
      let isOver = false
      void ended.then(() => {
        isOver = true
      })
      while (!text.includes(wanted, from)) {
        if (isOver) throw new Error(`ended without '${wanted}':\n${text}`)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      return text
    }
  }
}

/** The lines without their times. */
export const messages = (log: string): ReadonlyArray<string> =>
  log
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}Z {1,2}/, ""))
