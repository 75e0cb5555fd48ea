/** A device with SoftHSM2 tokens of its own and nothing else, driven by the executable as a person would. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { executable } from "./device.ts"
import { run } from "./run-command.ts"
import { type SoftHsmDirectory, softhsmDirectory } from "./softhsm.ts"

export interface TedgeDevice {
  readonly dir: string
  readonly hsm: SoftHsmDirectory
  /** Runs `tedge` with these words. `input`: what is typed. */
  readonly tedge: (words: ReadonlyArray<string>, input?: string) => ReturnType<typeof run>
  readonly set: (settings: Readonly<Record<string, string>>) => Promise<void>
}

export const tedgeDevice = async (dir: string): Promise<TedgeDevice> => {
  const hsm = softhsmDirectory()
  const configDir = join(dir, "etc")
  const runPath = join(dir, "run")
  mkdirSync(configDir)
  mkdirSync(runPath)
  const env = { ...process.env, ...hsm.env, TEDGE_CONFIG_DIR: configDir, TEDGE_RUN_PATH: runPath }
  const tedge: TedgeDevice["tedge"] = (words, input) =>
    run(executable("tedge"), [...words], { env, ...(input !== undefined && { input }) })
  const set: TedgeDevice["set"] = async (settings) => {
    for (const [key, value] of Object.entries(settings)) {
      const done = await tedge(["config", "set", key, value])
      if (done.code !== 0) throw new Error(done.stderr)
    }
  }
  await set({ "device.cryptoki.mode": "module", "device.cryptoki.module_path": hsm.modulePath })
  return { dir: configDir, hsm, tedge, set }
}
