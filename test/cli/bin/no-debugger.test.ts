/** SIGUSR1 opens no debugger in any of our processes. Needs the bundles of `npm run build`. */
import { type ChildProcess, spawn } from "node:child_process"
import { readdirSync, readFileSync, readlinkSync } from "node:fs"
import { join } from "node:path"
import { expect, it, vi } from "vitest"
import { serviceEnvironment } from "../../../src/actors/connect/services/service-environment.ts"
import { makeTempDir, removeTempDir } from "../../support/temp-dir.ts"
import { softhsmModulePath } from "../../support/token/softhsm.ts"

const root = join(import.meta.dirname, "../../..")
const dist = (name: string) => join(root, "dist", name)

it("the first import of every program takes the signal", () => {
  const build = readFileSync(join(root, "scripts/build.mjs"), "utf8")
  const entries = [...build.matchAll(/"(src\/[\w/-]+\.ts)"/g)].map(([, entry = ""]) => entry)
  const programs = entries.filter((entry) => /^src\/cli\/bin\/|\/token-host\.ts$/.test(entry))
  expect(programs.length).toBeGreaterThanOrEqual(6)
  for (const program of programs)
    expect(readFileSync(join(root, program), "utf8").match(/^import .*/m)?.[0], program).toMatch(
      /^import ".*platform\/process\/no-debugger\.ts"$/
    )
})

/** Whether the process catches SIGUSR1. Source: proc_pid_status(5), SigCgt. */
const catches = ({ pid }: ChildProcess): boolean => {
  const mask = /^SigCgt:\s*([0-9a-f]+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0"
  return (BigInt(`0x${mask}`) & (1n << 9n)) !== 0n
}

/** Sockets that the process holds, by their inode. */
const sockets = ({ pid }: ChildProcess): ReadonlySet<string> =>
  new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((file) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${file}`))?.[1] ?? []
      } catch {
        return []
      }
    })
  )

/** Whether the process listens on a TCP port. */
const listens = (child: ChildProcess): boolean => {
  const own = sockets(child)
  return readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .some(([, , , state, , , , , , inode = ""]) => state === "0A" && own.has(inode))
}

it.each([
  ["token-host", (dir: string) => [dist("token-host.cjs"), String(process.pid), dir]],
  [
    "service-runner",
    (dir: string) => [dist("service-runner.cjs"), "svc", join(dir, "l.lock"), join(dir, "l.log"), "sleep", "60"]
  ],
  [
    "tedge-p11-server",
    (dir: string) => [
      join(root, "bin/tedge-p11-server"),
      "--config-dir",
      dir,
      "--socket-path",
      join(dir, "s"),
      "--module-path",
      softhsmModulePath()
    ]
  ]
])("%s goes on and opens no port", async (_name, argv) => {
  const dir = makeTempDir()
  const child = spawn(process.execPath, argv(dir), { stdio: ["ignore", "ignore", "pipe", "pipe"] })
  let said = ""
  child.stderr?.on("data", (text) => {
    said += text
  })
  try {
    // Ours is caught by libuv as Node's own is; only by then both are there.
    await vi.waitUntil(
      () => catches(child) && readFileSync(`/proc/${child.pid}/maps`, "utf8").includes("unix.node"),
      30_000
    )
    child.kill("SIGUSR1")
    child.kill("SIGUSR1")
    // A thread of Node's would need a moment to listen: it says so when it does.
    await vi.waitUntil(() => said.includes("Debugger listening") || listens(child), 1000).catch(() => undefined)
    expect(said).not.toContain("Debugger listening")
    expect(listens(child)).toBe(false)
    expect(child.exitCode ?? child.signalCode).toBeNull()
  } finally {
    child.kill("SIGKILL")
    removeTempDir(dir)
  }
})

it("a service does not get NODE_OPTIONS, nor anything like it", () => {
  const environment = {
    NODE_OPTIONS: "--require /evil.js",
    NODE_PATH: "/evil",
    NODE_EXTRA_CA_CERTS: "/evil",
    PATH: "/bin"
  }
  expect(serviceEnvironment(environment)).toEqual({ PATH: "/bin" })
})
