/** A machine as the setup guide finds it: brokers, a cloud, `tedge` on the PATH, an empty SoftHSM2, and no token yet. */
import { mkdirSync, writeFileSync } from "node:fs"
import { delimiter, dirname, join } from "node:path"
import { createConfigDir, executable, placeSettings, startLocalBroker } from "../../scripts/lib/device/device.mjs"
import { run } from "../../scripts/lib/run.mjs"
import { createTestCa, startFakeCloud } from "../support/broker/fake-cloud.ts"

export interface GuideDevice {
  readonly configDir: string
  readonly ca: Awaited<ReturnType<typeof createTestCa>>
  readonly cloud: Awaited<ReturnType<typeof startFakeCloud>>
  /** A line as a person types it in bash; answers both outputs. Fails unless it ends with 0. */
  readonly types: (line: string, typed?: string) => Promise<string>
  /** The same, ending as it may. */
  readonly tries: (line: string) => Promise<{ readonly code: number; readonly said: string }>
  readonly close: () => Promise<void>
}

export const guideDevice = async (dir: string): Promise<GuideDevice> => {
  const ca = await createTestCa(join(dir, "ca"))
  const cloud = await startFakeCloud({ dir: join(dir, "cloud"), ca })
  const broker = await startLocalBroker({ dir })
  const configDir = createConfigDir(dir)
  const softhsm = join(dir, "softhsm2.conf")
  mkdirSync(join(dir, "tokens"))
  writeFileSync(softhsm, `directories.tokendir = ${join(dir, "tokens")}\nobjectstore.backend = file\n`)
  const PATH = [dirname(executable("tedge")), "/usr/sbin", process.env.PATH ?? ""].join(delimiter)
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TEDGE_")))
  const env = { ...inherited, PATH, SOFTHSM2_CONF: softhsm, TEDGE_CONFIG_DIR: configDir }
  const tries: GuideDevice["tries"] = async (line) => {
    const { code, said } = await bash(line, { env, cwd: dir })
    return { code, said }
  }
  const types: GuideDevice["types"] = async (line, typed) => {
    const { code, said } = await bash(line, { env, cwd: dir }, typed)
    if (code !== 0) throw new Error(`${line}\nended with ${code}:\n${said}`)
    return said
  }
  // Of the place only: what the guide sets, the guide sets.
  const place = placeSettings({ dir, cloud, localPort: broker.port, token: { pin: "" }, certificate: "" })
  const lines = place.flatMap(([key, value]) =>
    value === "" ? [] : `${key} = ${/^\d+$/.test(value) ? value : JSON.stringify(value)}\n`
  )
  writeFileSync(join(configDir, "tedge.toml"), `${lines.join("")}\n[config]\nversion = "2"\n`)
  const close = async () => {
    await tries("tedge disconnect c8y")
    await broker.stop()
    await cloud.close()
  }
  return { configDir, ca, cloud, types, tries, close }
}

interface Shell {
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
}

const bash = async (line: string, shell: Shell, typed?: string) => {
  const done = await run("bash", ["-euc", line], {
    ...shell,
    timeoutMs: 120_000,
    ...(typed !== undefined && { input: typed })
  })
  return { code: done.code, said: done.stdout + done.stderr }
}
