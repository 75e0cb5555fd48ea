/** tedge-mapper as a process, with a key file, between a local broker and a cloud. Needs the bundles of `npm run build`. */
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Readable } from "node:stream"
import type { TestPki } from "../tls/pki.ts"

export const mapperBin = join(import.meta.dirname, "../../../bin/tedge-mapper")

/** Makes `dir` the configuration directory of a mapper. `more`: further lines, tables and all. */
export const configureMapper = (options: {
  readonly dir: string
  readonly pki: TestPki
  readonly localPort: number
  /** Without it connection refused at the cloud's port. */
  readonly cloudPort?: number
  readonly more?: string
}): void => {
  const { dir, pki, localPort, cloudPort = 1, more = "" } = options
  mkdirSync(join(dir, "run", "lock"), { recursive: true })
  writeFileSync(
    join(dir, "tedge.toml"),
    `[config]
version = "2"
[run]
path = "${join(dir, "run")}"
[device]
cert_path = "${pki.deviceCertFile}"
key_path = "${pki.deviceKeyFile}"
[mqtt.client]
port = ${localPort}
[c8y]
url = "localhost"
mqtt = "localhost:${cloudPort}"
root_cert_path = "${pki.caFile}"
${more}`
  )
}

export interface MapperProcess {
  readonly child: ChildProcessByStdio<null, null, Readable>
  /** Its exit code, when it has. */
  readonly ended: Promise<number | null>
  readonly stderr: () => string
  /** Waits for a text on stderr. Rejects when it ends without. */
  readonly says: (pattern: RegExp) => Promise<void>
}

/** The caller kills it. */
export const mapperProcess = (
  dir: string,
  args: ReadonlyArray<string> = ["c8y"],
  environment: NodeJS.ProcessEnv = {},
  /** A command that runs a command. */
  through: ReadonlyArray<string> = [],
  bin = mapperBin
): MapperProcess => {
  const env = { ...process.env, TEDGE_CONFIG_DIR: dir, ...environment }
  const [program = process.execPath, ...words] = [...through, process.execPath, bin, ...args]
  const child = spawn(program, words, { stdio: ["ignore", "ignore", "pipe"], env })
  let text = ""
  const looking = new Set<() => void>()
  child.stderr.setEncoding("utf8").on("data", (data: string) => {
    text += data
    for (const look of [...looking]) look()
  })
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve))
  const says = (pattern: RegExp): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = () => {
        if (!pattern.test(text)) return
        looking.delete(look)
        resolve()
      }
      looking.add(look)
      look()
      void ended.then((code) => reject(new Error(`tedge-mapper ended with ${code} without ${pattern}:\n${text}`)))
    })
  return { child, ended, stderr: () => text, says }
}
