/** A device for a cloud that is played: key in a token, local broker, settings; the executables a user starts. */
import { mkdirSync, writeFileSync } from "node:fs"
import { userInfo } from "node:os"
import { join } from "node:path"
import { startLocalBroker } from "../../../scripts/lib/device/device.mjs"
import { mustRun, run } from "../../../scripts/lib/run.mjs"
import { executable, processesOf } from "../../support/device/device.ts"
import { makeTempDir, removeTempDir } from "../../support/temp-dir.ts"
import { softhsmToken } from "../../support/token/softhsm.ts"
import { type PlayedCloud, type PlayedCloudOptions, startPlayedCloud } from "./played-cloud.ts"

export interface CloudDevice {
  readonly dir: string
  readonly cloud: PlayedCloud
  readonly configDir: string
  readonly tedge: (...words: ReadonlyArray<string>) => ReturnType<typeof run>
  readonly publish: (topic: string, payload: string) => Promise<unknown>
  /** The next message on a local topic; undefined: none within a minute. */
  readonly next: (topic: string) => Promise<string | undefined>
  /** What runs for it besides the brokers. */
  readonly services: () => ReadonlyArray<string>
  readonly close: () => Promise<void>
}

/** `settings`: of the cloud, as TOML. */
export const cloudDevice = async (
  options: Omit<PlayedCloudOptions, "dir">,
  settings: (cloud: PlayedCloud, dir: string) => string
): Promise<CloudDevice> => {
  const dir = makeTempDir()
  const token = softhsmToken()
  const key = token.importKey()
  const cloud = await startPlayedCloud({ dir, ...options })
  const broker = await startLocalBroker({ dir })
  const certFile = join(dir, "device.pem")
  writeFileSync(certFile, cloud.pki.issueFor(key.publicKeyPem, "dev01"))
  const configDir = join(dir, "etc")
  for (const name of ["etc", "run", "log", "data", "tmp"]) mkdirSync(join(dir, name))
  writeFileSync(join(configDir, "system.toml"), `user = "${userInfo().username}"\ngroup = ""\n`)
  const common = [
    ...["data", "logs", "run", "tmp"].map((name) => `${name}.path = "${join(dir, name === "logs" ? "log" : name)}"`),
    ...["bind", "client"].map((side) => `mqtt.${side}.port = ${broker.port}`),
    `device.cert_path = "${certFile}"`,
    'device.key_uri = "pkcs11:token=my-token;object=my-key"',
    `device.cryptoki = { mode = "module", module_path = "${token.modulePath}" }`
  ]
  const text = [...common, settings(cloud, dir), "[config]", 'version = "2"', ""].join("\n")
  writeFileSync(join(configDir, "tedge.toml"), text)
  writeFileSync(join(configDir, "secrets.toml"), `device.cryptoki.pin = "${token.pin}"\n`, { mode: 0o640 })
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("TEDGE_"))
  const env = { ...Object.fromEntries(inherited), ...token.env, TEDGE_CONFIG_DIR: configDir }
  const tedge: CloudDevice["tedge"] = (...words) => run(executable("tedge"), words, { env, timeoutMs: 120_000 })
  const local = ["-p", String(broker.port), "-q", "1"]
  const services = () =>
    processesOf(dir)
      .map(({ command }) => command)
      .filter((command) => !command.includes("mosquitto"))
  return {
    dir,
    cloud,
    configDir,
    tedge,
    publish: (topic, payload) => mustRun("mosquitto_pub", [...local, "-t", topic, "-m", payload]),
    next: async (topic) => {
      const { code, stdout } = await run("mosquitto_sub", [...local, "-t", topic, "-C", "1", "-W", "60"])
      return code === 0 ? stdout.trimEnd() : undefined
    },
    services,
    close: async () => {
      await broker.stop()
      await cloud.close()
      token.cleanup()
      removeTempDir(dir)
    }
  }
}

/** The steps a transcript shows, each with its mark. */
export const stepsIn = (transcript: string): ReadonlyArray<string> =>
  transcript.split("\n").filter((line) => /\.\.\. [✓✗]$/.test(line))
