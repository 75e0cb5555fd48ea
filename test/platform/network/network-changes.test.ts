/** In a network namespace of its own: what the kernel tells, and what of it is news. */
import { execFileSync, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { build } from "esbuild"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { appearedIn } from "../../../src/platform/network/network-changes.ts"

const built = mkdtempSync(join(tmpdir(), "tedge-network-"))
const program = join(built, "network-watcher.mjs")

beforeAll(() =>
  build({
    entryPoints: [join(import.meta.dirname, "network-watcher.ts")],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "esm",
    banner: {
      js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url); const __dirname = "";'
    },
    logLevel: "silent"
  })
)
afterAll(() => rmSync(built, { recursive: true, force: true }))

const mayUnshare = (() => {
  try {
    execFileSync("unshare", ["-n", "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"], {
      stdio: "ignore"
    })
    return true
  } catch {
    console.warn("skipped: no network namespace can be made here (needs root, unshare, ip)")
    return false
  }
})()

const watch = () => {
  const env = { ...process.env, TEDGE_ADDON_DIR: join(import.meta.dirname, "../../../dist") }
  const child = spawn("unshare", ["-n", process.execPath, program], { env, stdio: ["ignore", "pipe", "inherit"] })
  let text = ""
  const looks = new Set<() => void>()
  child.stdout.setEncoding("utf8").on("data", (more: string) => {
    text += more
    for (const look of [...looks]) look()
  })
  const lines = (word: string) => text.split("\n").filter((line) => line === word).length
  const says = (word: string, count = 1) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (lines(word) < count) return
        looks.delete(look)
        resolve()
      }
      looks.add(look)
      look()
    })
  const ip = (...args: ReadonlyArray<string>) =>
    execFileSync("nsenter", [`--net=/proc/${child.pid}/ns/net`, "ip", ...args], { stdio: "ignore" })
  return { says, lines, ip, end: () => child.kill("SIGKILL") }
}

describe.skipIf(!mayUnshare)("the network of a device", () => {
  it("is news when an address or a default route appears; not when the same is renewed, or when one goes", async () => {
    const { says, lines, ip, end } = watch()
    try {
      await says("watching")
      ip("link", "set", "lo", "up")
      ip("link", "add", "d0", "type", "veth", "peer", "name", "d1")
      ip("link", "set", "d1", "up")
      ip("link", "set", "d0", "up")
      ip("addr", "add", "192.0.2.1/24", "dev", "d0", "valid_lft", "1000", "preferred_lft", "1000")
      await says("appeared", 1)
      ip("addr", "change", "192.0.2.1/24", "dev", "d0", "valid_lft", "2000", "preferred_lft", "2000")
      ip("route", "add", "198.51.100.0/24", "via", "192.0.2.254")
      ip("route", "add", "default", "via", "192.0.2.254")
      await says("appeared", 2)
      ip("route", "del", "default")
      ip("route", "add", "default", "via", "192.0.2.254")
      await says("appeared", 3)
      ip("addr", "add", "2001:db8::1/64", "dev", "d0", "nodad")
      await says("appeared", 4)
      expect(lines("appeared")).toBe(4)
    } finally {
      end()
    }
  })
})

describe("a message of the kernel", () => {
  it("that is cut or garbled is no reason to throw", () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        appearedIn(Buffer.from(bytes), new Set())
      })
    ))
})
