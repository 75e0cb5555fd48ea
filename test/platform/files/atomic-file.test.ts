/** A replaced file is the old one or the new one, whatever happens meanwhile. */
import nodeFiles, {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Exit } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type Replacement, replaceFile } from "../../../src/platform/files/atomic-file.ts"
import type { FileCalls } from "../../../src/platform/files/file-calls.ts"

let dir: string
let path: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "atomic-file-"))
  path = join(dir, "tedge.toml")
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const before = "old = 1\n"
const after = "new = 2\nwith = 'more'\n"

const replace = (calls?: FileCalls, wanted: Partial<Replacement> = {}) =>
  Effect.runSync(Effect.exit(replaceFile({ path, content: after, mode: 0o644, ...wanted }, calls)))

class Crash extends Error {
  readonly code = "CRASH"
}

/** The process dies at the n-th call: that one and all later ones do nothing. `bytes`: a write leaves so many. */
const dyingAt = (at: number, bytes = 0): { readonly calls: FileCalls; readonly count: () => number } => {
  let made = 0
  const dies = () => {
    made += 1
    if (made >= at) throw new Crash()
  }
  const calls: FileCalls = {
    ...nodeFiles,
    closeSync: (file) => {
      nodeFiles.closeSync(file) // the kernel does it for the dead
      dies()
    },
    writeSync: ((file: number, content: Buffer, offset: number) => {
      made += 1
      if (made < at) return nodeFiles.writeSync(file, content, offset, 1) // short writes happen, too
      nodeFiles.writeSync(file, content, offset, Math.min(bytes, content.length - offset))
      throw new Crash()
    }) as FileCalls["writeSync"]
  }
  for (const name of ["fchmodSync", "fchownSync", "fsyncSync", "openSync", "renameSync", "rmSync"] as const) {
    const original = nodeFiles[name] as (...given: ReadonlyArray<unknown>) => unknown
    Object.assign(calls, {
      [name]: (...given: ReadonlyArray<unknown>) => {
        dies()
        return original(...given)
      }
    })
  }
  return { calls, count: () => made }
}

describe("replacing a file", () => {
  it("leaves the old content or the new when the process dies at any call, and the next writer is not in its way", () => {
    const { calls, count } = dyingAt(Number.POSITIVE_INFINITY)
    writeFileSync(path, before)
    expect(Exit.isSuccess(replace(calls))).toBe(true)
    const total = count()
    expect(total).toBeGreaterThan(after.length)
    for (let at = 1; at <= total; at++) {
      writeFileSync(path, before)
      replace(dyingAt(at).calls)
      expect([before, after]).toContain(readFileSync(path, "utf8"))
      expect(Exit.isSuccess(replace())).toBe(true)
      expect(readFileSync(path, "utf8")).toBe(after)
      expect(readdirSync(dir)).toEqual(["tedge.toml"])
    }
  })

  it("leaves no part of a file where there was none", () => {
    for (let at = 1; at <= after.length; at++) {
      rmSync(path, { force: true })
      replace(dyingAt(at, 1).calls)
      expect(nodeFiles.existsSync(path)).toBe(false)
    }
  })

  it.each([
    ["openSync", "create"],
    ["fchmodSync", "create"],
    ["writeSync", "write"],
    ["fsyncSync", "sync"],
    ["renameSync", "rename"]
  ] as const)("tells the step when %s fails, and leaves nothing behind", (call, step) => {
    writeFileSync(path, before)
    const failing = Object.assign(
      { ...nodeFiles },
      {
        [call]: () => {
          throw Object.assign(new Error("full"), { code: "ENOSPC" })
        }
      }
    )
    const exit = replace(failing)
    expect(JSON.stringify(exit)).toContain(`"step":"${step}","code":"ENOSPC"`)
    expect(readdirSync(dir)).toEqual(["tedge.toml"])
    expect(readFileSync(path, "utf8")).toBe(before)
  })

  it("brings the content to the disk before the name points to it", () => {
    const order: Array<string> = []
    const watched: FileCalls = {
      ...nodeFiles,
      fsyncSync: (file) => {
        order.push(nodeFiles.fstatSync(file).isDirectory() ? "sync directory" : "sync file")
        nodeFiles.fsyncSync(file)
      },
      renameSync: (...names) => {
        order.push("rename")
        nodeFiles.renameSync(...names)
      }
    }
    replace(watched)
    expect(order).toEqual(["sync file", "rename", "sync directory"])
  })

  it("gives the mode asked for, but opens no file that was closed to others", () => {
    replace(undefined, { mode: 0o640 })
    expect(statSync(path).mode & 0o777).toBe(0o640)
    replace(undefined, { mode: 0o644 })
    expect(statSync(path).mode & 0o777).toBe(0o644)
    chmodSync(path, 0o600)
    replace(undefined, { mode: 0o644 })
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it("never has a secret readable by others, not even while it is written", () => {
    const modes: Array<number> = []
    const watched: FileCalls = {
      ...nodeFiles,
      writeSync: ((file: number, content: Buffer, offset: number) => {
        modes.push(nodeFiles.fstatSync(file).mode & 0o007)
        return nodeFiles.writeSync(file, content, offset)
      }) as FileCalls["writeSync"]
    }
    replace(watched, { mode: 0o640 })
    expect(modes).toEqual([0])
  })

  it("keeps a link a link", () => {
    writeFileSync(join(dir, "real.toml"), before)
    symlinkSync("real.toml", path)
    replace()
    expect(lstatSync(path).isSymbolicLink()).toBe(true)
    expect(readFileSync(join(dir, "real.toml"), "utf8")).toBe(after)
  })

  it("reports that the owner could not be set, with the content written", () => {
    const failing: FileCalls = {
      ...nodeFiles,
      fchownSync: () => {
        throw Object.assign(new Error("no"), { code: "EPERM" })
      }
    }
    expect(replace(failing, { owner: { uid: 1, gid: 1 } })).toEqual(Exit.succeed({ ownerProblem: "EPERM" }))
    expect(readFileSync(path, "utf8")).toBe(after)
  })
})
