/** A real tedge-p11-server in front of a module, as its own process. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { executable } from "../../../support/device/device.ts"

export interface SigningService {
  readonly socketPath: string
  /** `run.path` of the service: PIN latches lie below it. */
  readonly runPath: string
  readonly isRunning: () => boolean
  readonly stop: (signal?: NodeJS.Signals) => Promise<void>
}

export interface ServiceOptions {
  readonly place: string
  readonly modulePath: string
  readonly environment: NodeJS.ProcessEnv
  readonly args?: ReadonlyArray<string>
}

/** Answers when it listens. */
export const startSigningService = async ({
  place,
  modulePath,
  environment,
  args = ["--pin", "123456"]
}: ServiceOptions): Promise<SigningService> => {
  const configDir = join(place, "server")
  const runPath = join(place, "run")
  const socketPath = join(place, "p11.sock")
  for (const dir of [configDir, runPath]) mkdirSync(dir, { recursive: true })
  const env = { ...process.env, ...environment, TEDGE_CONFIG_DIR: configDir, TEDGE_RUN_PATH: runPath }
  const words = ["--socket-path", socketPath, "--module-path", modulePath, ...args]
  const child = spawn(executable("tedge-p11-server"), words, { env, stdio: ["ignore", "pipe", "pipe"] })
  await new Promise<void>((resolve, reject) => {
    let printed = ""
    const onOutput = (chunk: Buffer) => {
      printed += chunk.toString()
      if (printed.includes("Server listening")) resolve()
    }
    child.stdout.on("data", onOutput)
    child.stderr.on("data", onOutput)
    child.on("exit", (code) => reject(new Error(`tedge-p11-server ended with ${code}: ${printed}`)))
  })
  const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
    const ended = once(child, "exit")
    child.kill(signal)
    await ended
  }
  const isRunning = () => child.exitCode === null && child.signalCode === null
  return { socketPath, runPath, isRunning, stop }
}
