/** `tedge status --watch` on a pseudo-terminal (script(1)): it is redrawn in place, and given back. Needs `npm run build`. */
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Readable } from "node:stream"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { mustRun } from "../../../../scripts/lib/run.mjs"
import { executable } from "../../../support/device/device.ts"
import { configureMapper } from "../../../support/device/mapper-process.ts"
import { signal } from "../../../support/signal.ts"
import { type TestPki, testPki } from "../../../support/tls/pki.ts"

let dir: string
let pki: TestPki
let ends: Array<() => unknown>

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "watch-"))
  pki = testPki({ deviceId: "dev01" })
  configureMapper({ dir, pki, localPort: 1 })
  ends = []
})
afterEach(() => {
  for (const end of ends) end()
  pki.remove()
  rmSync(dir, { recursive: true, force: true })
})

const esc = "\u001b"
const entered = `${esc}[?1049h`
const left = `${esc}[?7h${esc}[?25h${esc}[?1049l`
const frameStart = `${esc}[?2026h${esc}[H`

class Watching {
  readonly child: ChildProcessByStdio<null, Readable, null>
  readonly ended: Promise<number | null>
  text = ""
  private looking: Array<() => void> = []

  constructor(size: string) {
    const shell = `ulimit -c 0; stty ${size}; echo pid $$; echo at "$(tty)"; exec ${executable("tedge")} status --watch`
    const env = { ...process.env, TEDGE_CONFIG_DIR: dir, TERM: "xterm", SHELL: "/bin/sh" }
    this.child = spawn("script", ["-qfec", shell, "/dev/null"], { env, stdio: ["ignore", "pipe", "ignore"] })
    ends.push(() => this.child.kill("SIGKILL"))
    this.ended = new Promise((resolve) => this.child.once("close", resolve))
    this.child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.text += text
      for (const look of this.looking.splice(0)) look()
    })
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.looking.push(resolve))
  }

  get frames(): ReadonlyArray<string> {
    return this.text.split(frameStart).slice(1)
  }

  get pid(): number {
    return Number(/pid (\d+)/.exec(this.text)?.[1])
  }

  get terminal(): string {
    return /at (\S+)/.exec(this.text)?.[1] ?? ""
  }
}

/** The lines of a frame, without what moves the cursor and colours. */
const linesOf = (frame: string | undefined): ReadonlyArray<string> =>
  (frame ?? "").replaceAll(new RegExp(`${esc}\\[[?\\d;]*[a-zA-Z]|\\r`, "g"), "").split("\n")

const widest = (frame: string | undefined): number => Math.max(...linesOf(frame).map((line) => [...line].length))

describe("tedge status --watch, on a terminal", () => {
  it("draws each frame over the last one, without clearing the screen between them", async () => {
    const watching = new Watching("cols 100 rows 40")
    await watching.until(() => watching.frames.length > 2)
    expect(watching.text.split(entered)).toHaveLength(2)
    const [first] = watching.frames
    expect(linesOf(first)[0]).toMatch(/^Cumulocity \(c8y\) down/)
    for (const frame of watching.frames) expect(frame).not.toContain(`${esc}[2J`)
    signal(watching.pid, "SIGINT")
    expect(await watching.ended).toBe(130)
  })

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
    ["SIGQUIT", 131]
  ] as const)("gives the terminal back on %s", async (name, code) => {
    const watching = new Watching("cols 80 rows 24")
    await watching.until(() => watching.frames.length > 0)
    signal(watching.pid, name)
    expect(await watching.ended).toBe(code)
    expect(watching.text.endsWith(left) || watching.text.trimEnd().endsWith(left)).toBe(true)
  })

  it("fits what it shows to the terminal, also after its size has changed", async () => {
    const watching = new Watching("cols 100 rows 40")
    await watching.until(() => watching.frames.length > 0)
    expect(widest(watching.frames.at(0))).toBeGreaterThan(50)
    await mustRun("stty", ["-F", watching.terminal, "cols", "45", "rows", "6"])
    await watching.until(() => widest(watching.frames.at(-1)) <= 45 && linesOf(watching.frames.at(-1)).length <= 6)
    signal(watching.pid, "SIGINT")
    expect(await watching.ended).toBe(130)
  })

  it("gives it back while it is stopped, and takes it again", async () => {
    const watching = new Watching("cols 80 rows 24")
    await watching.until(() => watching.frames.length > 0)
    const seen = watching.frames.length
    signal(watching.pid, "SIGTSTP")
    const isStopped = () => /\) T /.test(readFileSync(`/proc/${watching.pid}/stat`, "utf8"))
    await expect.poll(isStopped).toBe(true)
    // script(1) stops with its child.
    const goesOn = () => {
      for (const pid of [watching.child.pid, watching.pid]) signal(pid, "SIGCONT")
      return watching.frames.length > seen + 1
    }
    await expect.poll(goesOn).toBe(true)
    expect(watching.text.split(`${left}${entered}`)).toHaveLength(2)
    signal(watching.pid, "SIGINT")
    expect(await watching.ended).toBe(130)
  })
})
