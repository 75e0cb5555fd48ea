/**
 * A device with SoftHSM2 tokens of its own and nothing else. Commands about keys and certificates run in this process
 * (one start of the executable costs a second), `tedge config` as a person runs it.
 */

import { run } from "../../../scripts/lib/run.mjs"
import { type SoftHsmDirectory, softhsmDirectory } from "../token/softhsm.ts"
import { executable } from "./device.ts"
import { type Printed, tedgeInProcess } from "./tedge-in-process.ts"

export interface TedgeDevice {
  readonly dir: string
  readonly hsm: SoftHsmDirectory
  /** Runs `tedge` with these words. `input`: what is typed. */
  readonly tedge: (words: ReadonlyArray<string>, input?: string) => Promise<Printed>
  readonly set: (settings: Readonly<Record<string, string>>) => Promise<void>
}

export const tedgeDevice = async (dir: string): Promise<TedgeDevice> => {
  const hsm = softhsmDirectory()
  const device = tedgeInProcess(dir, { environment: hsm.env })
  const env = { ...process.env, ...hsm.env, TEDGE_CONFIG_DIR: device.configDir }
  const tedge: TedgeDevice["tedge"] = (words, input) =>
    words[0] === "config" ? run(executable("tedge"), [...words], { env }) : device.tedge(words, input)
  const set: TedgeDevice["set"] = async (settings) => {
    for (const [key, value] of Object.entries(settings)) await device.set(key, value)
  }
  await set({ "device.cryptoki.mode": "module", "device.cryptoki.module_path": hsm.modulePath })
  return { dir: device.configDir, hsm, tedge, set }
}
