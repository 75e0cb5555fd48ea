/** The signing service in a process of its own: socket activation, descriptors running out, signals. */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { build } from "esbuild"
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest"
import { activatedDescriptors } from "../../../src/actors/p11-server/listening.ts"
import { makeTempDir, removeTempDir, tempDir } from "../../support/temp-dir.ts"
import { ask, rawClient } from "./served.ts"

const signRequest = { _tag: "SignRequest", toSign: Uint8Array.of(1), uri: undefined, pin: undefined } as const
let built = ""

/** Bundled as the product is: Node 20 cannot run the sources. */
beforeAll(async () => {
  built = makeTempDir()
  await build({
    entryPoints: [join(import.meta.dirname, "served-program.ts")],
    outfile: join(built, "dist", "served-program.cjs"),
    bundle: true,
    platform: "node",
    format: "cjs",
    logLevel: "silent",
    define: { "import.meta.dirname": "__dirname", "import.meta.url": JSON.stringify(import.meta.url) }
  })
})
afterAll(() => removeTempDir(built))

/** Starts a command; it is killed with the test. Resolves when it has printed the text. */
const started = (command: string, args: ReadonlyArray<string>, untilPrinted: string): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    const env = { ...process.env, TEDGE_ADDON_DIR: join(import.meta.dirname, "../../../dist") }
    const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] })
    onTestFinished(() => void child.kill("SIGKILL"))
    let printed = ""
    const onOutput = (chunk: Buffer) => {
      printed += chunk.toString()
      if (printed.includes(untilPrinted)) resolve(child)
    }
    child.stdout.on("data", onOutput)
    child.stderr.on("data", onOutput)
    child.on("exit", (code) => reject(new Error(`ended with ${code}: ${printed}`)))
  })
const program = () => join(built, "dist", "served-program.cjs")
const ended = (child: ChildProcess) => new Promise<number | null>((resolve) => child.on("exit", resolve))

describe("the signing service as a process", () => {
  it("serves on a socket that systemd opened, and leaves it there", async () => {
    const path = join(tempDir(), "activated.sock")
    const args = ["-E", "TEDGE_ADDON_DIR", "-l", path, process.execPath, program(), "activated"]
    const child = await started("systemd-socket-activate", args, "Listening on")
    expect(await ask(path, { _tag: "Ping" })).toEqual({ _tag: "Pong" })
    expect(await ask(path, signRequest)).toMatchObject({ _tag: "SignResponse" })
    child.kill("SIGTERM")
    expect(await ended(child)).toBe(0)
    expect(existsSync(path)).toBe(true)
  })

  it("survives running out of descriptors and serves again", async () => {
    const path = join(tempDir(), "s.sock")
    const limited = `ulimit -n 40; exec ${process.execPath} ${program()} ${path}`
    await started("sh", ["-c", limited], "ready")
    const clients = Array.from({ length: 60 }, () => rawClient(path))
    await Promise.all(clients.map((client) => client.received))
    expect(await ask(path, signRequest)).toMatchObject({ _tag: "SignResponse" })
  })

  it("ends on SIGTERM while clients are silent, and removes its socket", async () => {
    const path = join(tempDir(), "s.sock")
    const child = await started(process.execPath, [program(), path], "ready")
    const silent = rawClient(path)
    await new Promise((resolve) => silent.socket.once("connect", resolve))
    child.kill("SIGTERM")
    expect(await ended(child)).toBe(0)
    expect(existsSync(path)).toBe(false)
    expect((await silent.received).length).toBe(0)
  })

  it("takes over after a SIGKILL", async () => {
    const path = join(tempDir(), "s.sock")
    const first = await started(process.execPath, [program(), path], "ready")
    first.kill("SIGKILL")
    await ended(first)
    expect(existsSync(path)).toBe(true)
    await started(process.execPath, [program(), path], "ready")
    expect(await ask(path, { _tag: "Ping" })).toEqual({ _tag: "Pong" })
  })
})

describe("descriptors from systemd", () => {
  it.each([
    [{ LISTEN_PID: "7", LISTEN_FDS: "2" }, [3, 4]],
    [{ LISTEN_PID: "8", LISTEN_FDS: "1" }, []],
    [{ LISTEN_PID: "7" }, []],
    [{ LISTEN_PID: "7", LISTEN_FDS: "-1" }, []],
    [{ LISTEN_PID: "7", LISTEN_FDS: "1e9" }, []],
    [{ LISTEN_PID: "7", LISTEN_FDS: "x" }, []],
    [{}, []]
  ])("are taken from %j: %j", (variables, expected) => {
    expect(activatedDescriptors(variables, 7)).toEqual(expected)
  })
})
