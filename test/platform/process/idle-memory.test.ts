/** Memory goes back to the kernel while a process is idle, and never while it works. */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { copyFileSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { build } from "esbuild"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { collectAll, dropProgramText } from "../../../src/platform/native/unix-addon.ts"
import { giveMemoryBackWhenIdle, type IdleProcess, idleCheck } from "../../../src/platform/process/idle-memory.ts"
import { makeTempDir, removeTempDir } from "../../support/temp-dir.ts"

const mebibyte = 1024 * 1024

/** A process whose events and memory a test sets. */
const played = (own = 20 * mebibyte, floor = 10 * mebibyte) => {
  const state = { events: 0, own: own as number | undefined, given: 0 }
  const process: IdleProcess = {
    events: () => state.events,
    ownBytes: () => state.own,
    giveBack: () => {
      state.given += 1
      state.own = floor
    }
  }
  return { state, process }
}

describe("memory of an idle process", () => {
  it("is given back at three looks, and again when it has grown", () => {
    const { state, process } = played()
    const check = idleCheck(process, () => false)
    expect([check(), check(), check(), check()]).toEqual([true, true, true, false])
    state.own = 11 * mebibyte
    expect(check()).toBe(false)
    state.own = 12 * mebibyte
    expect([check(), check(), check(), check()]).toEqual([true, true, true, false])
    expect(state.given).toBe(6)
  })

  it("stays while events come in, until a whole interval was quiet", () => {
    const { state, process } = played()
    const check = idleCheck(process, () => false)
    state.events += 1000
    expect(check()).toBe(false)
    state.events += 5
    expect(check()).toBe(true)
  })

  it("stays while a response is pending, whatever the loop does", () => {
    const { process } = played()
    let waits = true
    const check = idleCheck(process, () => waits)
    expect(check()).toBe(false)
    waits = false
    expect(check()).toBe(true)
  })

  it("stays where the kernel does not say how much it is", () => {
    const { state, process } = played()
    state.own = undefined
    expect(idleCheck(process, () => false)()).toBe(false)
  })

  it("is never taken from one that works, in any order of events", () =>
    fc.assert(
      fc.property(fc.array(fc.record({ events: fc.nat(100), grown: fc.nat(8), waits: fc.boolean() })), (steps) => {
        const { state, process } = played()
        let waits = false
        const check = idleCheck(process, () => waits)
        for (const step of steps) {
          state.events += step.events
          state.own = (state.own ?? 0) + step.grown * mebibyte
          waits = step.waits
          const before = state.own
          const given = check()
          if (given) expect([step.events <= 20, step.waits, before >= (state.own ?? 0)]).toEqual([true, false, true])
        }
      })
    ))

  it("can be collected by this Node without a flag", () => {
    expect(collectAll()).toBe(true)
  })

  it("takes Node's code with it where that is wanted, and the process works on", () => {
    const code = () =>
      readFileSync("/proc/self/smaps", "utf8")
        .split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)
        .filter((mapping) => / r-xp .*\/node\n/.test(mapping))
        .reduce((sum, mapping) => sum + Number(/^Rss:\s+(\d+) kB$/m.exec(mapping)?.[1]), 0)
    const before = code()
    dropProgramText()
    expect(before).toBeGreaterThan(0)
    expect(code()).toBeLessThan(before)
    expect(createHash("sha256").update("works on").digest("hex")).toHaveLength(64)
  })

  it("is given back with the baseline code of functions, which work on", async () => {
    const dir = makeTempDir()
    try {
      const program = join(dir, "program.cjs")
      await build({
        stdin: { contents: hotProgram, resolveDir: resolve("src/platform/process") },
        outfile: program,
        bundle: true,
        platform: "node",
        format: "cjs"
      })
      copyFileSync("dist/unix.node", join(dir, "unix.node"))
      // Otherwise V8 waits until a function has not run during six collections.
      const flags = ["--allow-natives-syntax", "--stress-flush-code", "--always-sparkplug"]
      const { stdout, stderr } = spawnSync(process.execPath, [...flags, program], { encoding: "utf8" })
      expect({ stdout, stderr }).toEqual({ stdout: "true false 18\n", stderr: "" })
    } finally {
      removeTempDir(dir)
    }
  })

  it("does not keep a process alive", () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length
    const before = timers()
    const end = giveMemoryBackWhenIdle()
    expect(timers()).toBe(before)
    end()
  })
})

/** Prints whether a function has baseline code, before and after the first look, and a result of it. */
const hotProgram = `import { giveMemoryBackWhenIdle } from "./idle-memory.ts"
let look
globalThis.setInterval = (run) => {
  look = run
  return { unref: () => {} }
}
const status = new Function("f", "return %GetOptimizationStatus(f)")
const hasBaselineCode = () => (status(hot) & (1 << 15)) !== 0
const hot = new Function("a", "let sum = 0; for (const k of [1, 2, 3]) sum += a * k; return sum")
hot(1)
const before = hasBaselineCode()
giveMemoryBackWhenIdle()
look()
console.log(before, hasBaselineCode(), hot(3))
`
