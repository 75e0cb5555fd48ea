/**
 * A real mosquitto on a free port, in a directory of its own, whose log can be waited for.
 *
 * `stop` ends it (and with the directory everything it knew), `kill` is SIGKILL, `restart` brings it back on the
 * same port with what it had stored.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { onTestFinished } from "vitest"
import { freePort } from "../../../scripts/lib/free-port.mjs"

export interface BrokerOptions {
  readonly tls?: { readonly certFile: string; readonly keyFile: string; readonly caFile: string }
  readonly requireCertificate?: boolean
  /** Keeps sessions and retained messages over a restart. */
  readonly persistence?: boolean
  /** Further lines of mosquitto.conf. */
  readonly lines?: ReadonlyArray<string>
}

export interface TestBroker {
  readonly port: number
  readonly dir: string
  /** Every line it has logged, all restarts together. */
  readonly log: () => ReadonlyArray<string>
  /** Waits until `count` lines match, and answers them. */
  readonly waitForLog: (pattern: RegExp, count?: number) => Promise<ReadonlyArray<string>>
  readonly kill: () => Promise<void>
  /** SIGTERM: it stores what it knows. */
  readonly halt: () => Promise<void>
  /** `halt` if it runs, and a new process. */
  readonly restart: () => Promise<void>
  readonly stop: () => Promise<void>
}

export const brokerInstalled = (): boolean => {
  try {
    execFileSync("mosquitto", ["-h"], { stdio: "ignore" })
    return true
  } catch (error) {
    // `mosquitto -h` ends with 3; only a missing program has no status.
    return typeof error === "object" && error !== null && "status" in error && typeof error.status === "number"
  }
}

export const startBroker = async (options: BrokerOptions = {}): Promise<TestBroker> => {
  const dir = mkdtempSync(join(tmpdir(), "tedge-broker-"))
  const log = new BrokerLog()
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    writeFileSync(join(dir, "mosquitto.conf"), configuration(dir, port, options))
    try {
      const broker = brokerAt(dir, port, log, await launch(dir, log))
      stopWithTest(broker)
      return broker
    } catch (error) {
      // Somebody else took the port between the look and the bind.
      if (attempt === 5) throw error
    }
  }
}

/** Also when the test fails before it stops the broker itself. In a hook there is no test to wait for. */
const stopWithTest = ({ stop }: TestBroker): void => {
  try {
    onTestFinished(stop)
  } catch {
    // Whoever starts a broker in beforeAll or beforeEach stops it in afterAll or afterEach.
  }
}

const brokerAt = (dir: string, port: number, log: BrokerLog, first: ChildProcess): TestBroker => {
  let running = first
  const end = async (signal: "SIGTERM" | "SIGKILL") => {
    if (running.exitCode !== null || running.signalCode !== null) return
    const exited = new Promise((resolve) => running.once("exit", resolve))
    // Mosquitto forgets a SIGTERM that comes between its word that it runs and its main loop.
    const again = setInterval(() => running.kill(signal), 200)
    running.kill(signal)
    await exited
    clearInterval(again)
  }
  return {
    port,
    dir,
    log: () => log.lines,
    waitForLog: (pattern, count = 1) => log.waitFor(pattern, count),
    kill: () => end("SIGKILL"),
    halt: () => end("SIGTERM"),
    restart: async () => {
      await end("SIGTERM")
      running = await launch(dir, log)
    },
    stop: async () => {
      await end("SIGTERM")
      rmSync(dir, { recursive: true, force: true })
    }
  }
}

const launch = (dir: string, log: BrokerLog): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    const child = spawn("mosquitto", ["-c", join(dir, "mosquitto.conf")], { stdio: ["ignore", "ignore", "pipe"] })
    child.once("error", reject)
    child.once("exit", (code) => reject(new Error(`mosquitto ended with ${code}:\n${log.lines.slice(-10).join("\n")}`)))
    let rest = ""
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n")
      rest = lines.pop() ?? ""
      for (const line of lines) {
        log.add(line)
        if (/^mosquitto version .* running$/.test(line)) resolve(child)
      }
    })
    const onOurExit = () => child.kill("SIGKILL")
    process.once("exit", onOurExit)
    child.once("exit", () => process.off("exit", onOurExit))
  })

class BrokerLog {
  readonly lines: Array<string> = []
  private readonly waiting = new Set<() => void>()

  add(line: string): void {
    this.lines.push(line)
    for (const look of [...this.waiting]) look()
  }

  waitFor(pattern: RegExp, count: number): Promise<ReadonlyArray<string>> {
    return new Promise((resolve) => {
      const look = () => {
        const found = this.lines.filter((line) => pattern.test(line))
        if (found.length < count) return
        this.waiting.delete(look)
        resolve(found)
      }
      this.waiting.add(look)
      look()
    })
  }
}

const configuration = (dir: string, port: number, { tls, requireCertificate, persistence, lines }: BrokerOptions) =>
  [
    `listener ${port} 127.0.0.1`,
    "allow_anonymous true",
    "log_dest stderr",
    "log_type all",
    "log_timestamp false",
    ...(process.getuid?.() === 0 ? ["user root"] : []),
    ...(persistence ? ["persistence true", `persistence_location ${dir}/`, "autosave_interval 1"] : []),
    ...(tls ? [`certfile ${tls.certFile}`, `keyfile ${tls.keyFile}`, `cafile ${tls.caFile}`] : []),
    ...(tls ? ["tls_version tlsv1.3", `require_certificate ${requireCertificate ?? false}`] : []),
    ...(tls && requireCertificate ? ["use_identity_as_username true"] : []),
    ...(lines ?? []),
    ""
  ].join("\n")
