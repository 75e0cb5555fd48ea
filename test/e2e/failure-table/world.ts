/**
 * What the rows of the failure table share: an authority, a token, a local broker, a cloud, a signing service. Each row
 * has a device of its own: a folder with settings that would connect, until the row spoils one of them.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { userInfo } from "node:os"
import { join } from "node:path"
import { startLocalBroker } from "../../../scripts/lib/device/device.mjs"
import { run } from "../../../scripts/lib/run.mjs"
import { type FakeCloud, startFakeCloud } from "../../support/broker/fake-cloud.ts"
import { type Device, eventually, executable } from "../../support/device/device.ts"
import { makeTempDir, removeTempDir } from "../../support/temp-dir.ts"
import { type TestPki, testPki } from "../../support/tls/pki.ts"
import {
  type SoftHsmDirectory,
  type SoftHsmToken,
  softhsmDirectory,
  type TokenKey
} from "../../support/token/softhsm.ts"

export interface World {
  readonly dir: string
  readonly pki: TestPki
  readonly hsm: SoftHsmDirectory
  /** Label `my-token`, with the key `my-key` (id 01) of the device's certificate. */
  readonly token: SoftHsmToken
  readonly key: TokenKey
  readonly certFile: string
  readonly cloud: FakeCloud
  /** For rows that change how it behaves. */
  readonly moodyCloud: FakeCloud
  readonly broker: Device["broker"]
  /** Where a tedge-p11-server listens that has the token. */
  readonly socketPath: string
  /** A new device. Settings replace those that would work; undefined removes one. */
  readonly place: (settings?: Settings) => Place
  /** A file of this content in a folder of its own. */
  readonly file: (name: string, content: string | Uint8Array) => string
  /** Called at the end, in reverse order. */
  readonly atEnd: (close: () => unknown) => void
  readonly close: () => Promise<void>
}

export type Settings = Readonly<Record<string, string | boolean | undefined>>

export interface Place {
  readonly configDir: string
  /** Runs `tedge` with these words. */
  readonly tedge: (words: ReadonlyArray<string>, options?: RunOptions) => Promise<Outcome>
  readonly mapper: (words: ReadonlyArray<string>) => Promise<Outcome>
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv
  /** What is typed. */
  readonly input?: string
  /** Root may read and write everything; here it may not. */
  readonly ordinary?: true
}

export interface Outcome {
  readonly code: number
  readonly stderr: string
}

export const makeWorld = async (): Promise<World> => {
  const dir = makeTempDir()
  const ends: Array<() => unknown> = [() => removeTempDir(dir)]
  const atEnd = (close: () => unknown) => void ends.push(close)
  const pki = testPki()
  atEnd(pki.remove)
  const hsm = softhsmDirectory()
  atEnd(hsm.cleanup)
  const token = hsm.addToken()
  const key = token.importKey()
  const certFile = join(dir, "device.pem")
  writeFileSync(certFile, pki.issueFor(key.publicKeyPem, "dev01"))
  const startCloud = async (name: string): Promise<FakeCloud> => {
    const started = await startFakeCloud({ dir: join(dir, name), ca: authority(pki) })
    atEnd(started.close)
    return started
  }
  const cloud = await startCloud("cloud")
  const moodyCloud = await startCloud("moody-cloud")
  const broker = await startLocalBroker({ dir })
  atEnd(broker.stop)
  const socketPath = join(dir, "p11.sock")
  const server = startSigningService(hsm, token, socketPath)
  atEnd(() => server.kill())
  await eventually(() => existsSync(socketPath), 60_000)
  let count = 0
  const folder = (): string => {
    const made = join(dir, `row-${++count}`)
    mkdirSync(made)
    return made
  }
  const works = { hsm, token, certFile, cloud, broker, pki }
  return {
    ...works,
    dir,
    key,
    moodyCloud,
    socketPath,
    place: (settings = {}) => makePlace(folder(), works, settings),
    file: (name, content) => {
      const path = join(folder(), name)
      writeFileSync(path, content)
      return path
    },
    atEnd,
    close: async () => {
      for (const end of ends.toReversed()) await end()
    }
  }
}

/** The authority in the form the demo's cloud wants it. */
const authority = (pki: TestPki): Parameters<typeof startFakeCloud>[0]["ca"] => ({
  certificate: pki.caFile,
  issueServer: async () => ({ key: pki.serverKeyFile, certificate: pki.serverCertFile }),
  issueDevice: async () => pki.deviceCertFile,
  issueDeviceWithKey: async () => ({ key: pki.deviceKeyFile, certificate: pki.deviceCertFile })
})

const startSigningService = (hsm: SoftHsmDirectory, token: SoftHsmToken, socketPath: string): ChildProcess => {
  const where = ["--module-path", hsm.modulePath, "--socket-path", socketPath, "--config-dir", hsm.dir]
  return spawn(executable("tedge-p11-server"), where, {
    env: { ...process.env, ...hsm.env, TEDGE_DEVICE_CRYPTOKI_PIN: token.pin, TEDGE_RUN_PATH: hsm.dir },
    stdio: "ignore"
  })
}

type Works = Pick<World, "hsm" | "token" | "certFile" | "cloud" | "broker" | "pki">

const makePlace = (dir: string, works: Works, settings: Settings): Place => {
  const configDir = join(dir, "etc")
  for (const name of ["etc", "run", "log", "data", "tmp"]) mkdirSync(join(dir, name))
  writeFileSync(join(configDir, "system.toml"), `user = "${userInfo().username}"\ngroup = ""\n`)
  const { "device.cryptoki.pin": pin, ...others } = { ...workingSettings(dir, works), ...settings }
  writeFileSync(join(configDir, "tedge.toml"), toml(others), { mode: 0o640 })
  const secret = pin === undefined ? "" : `device.cryptoki.pin = ${JSON.stringify(pin)}\n`
  writeFileSync(join(configDir, "secrets.toml"), secret, { mode: 0o640 })
  const start = async (
    name: "tedge" | "tedge-mapper",
    words: ReadonlyArray<string>,
    { env = {}, input, ordinary }: RunOptions
  ): Promise<Outcome> => {
    const [command = "", ...args] = [...(ordinary ? withoutRootsRights : []), executable(name), ...words]
    const { code, stderr } = await run(command, args, {
      env: { ...ownEnvironment(), ...works.hsm.env, TEDGE_CONFIG_DIR: configDir, ...env },
      timeoutMs: 170_000,
      ...(input === undefined ? {} : { input })
    })
    return { code, stderr }
  }
  return {
    configDir,
    tedge: (words, options = {}) => start("tedge", words, options),
    mapper: (words) => start("tedge-mapper", words, {})
  }
}

/** Root without the right to pass by permissions, as the services' user; others have not got it anyway. */
const withoutRootsRights =
  process.getuid?.() === 0 ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"] : []

const ownEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:TEDGE|C8Y)_/.test(name)))

const workingSettings = (dir: string, { hsm, token, certFile, cloud, broker }: Works): Settings => ({
  "device.cert_path": certFile,
  "device.key_uri": "pkcs11:token=my-token;object=my-key",
  "device.cryptoki.mode": "module",
  "device.cryptoki.module_path": hsm.modulePath,
  "device.cryptoki.pin": token.pin,
  "c8y.url": cloud.host,
  "c8y.mqtt": cloud.address,
  "c8y.root_cert_path": cloud.caFile,
  "mqtt.bind.port": String(broker.port),
  "mqtt.client.port": String(broker.port),
  "run.path": join(dir, "run"),
  "logs.path": join(dir, "log"),
  "data.path": join(dir, "data"),
  "tmp.path": join(dir, "tmp")
})

const toml = (settings: Settings): string => {
  const lines = Object.entries(settings).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key} = ${isPort(key) ? value : JSON.stringify(value)}`]
  )
  return [...lines, "[config]", 'version = "2"', ""].join("\n")
}

const isPort = (key: string): boolean => key.endsWith(".port")
