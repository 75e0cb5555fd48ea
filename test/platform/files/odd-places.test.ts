/** Places that cannot be renamed over, on the real thing: bind mounts, read-only mounts, FAT, links. Needs root. */
import { execFileSync, spawnSync } from "node:child_process"
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { Effect, Logger, Result } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { run } from "../../../scripts/lib/run.mjs"
import { replaceFile } from "../../../src/platform/files/atomic-file.ts"
import { executable } from "../../support/device/device.ts"
import { makeTempDir, removeTempDir } from "../../support/temp-dir.ts"

const mayMount = spawnSync("unshare", ["-m", "true"]).status === 0

let dir: string
const mounted: Array<string> = []

beforeEach(() => {
  dir = makeTempDir()
})
afterEach(() => {
  for (const path of mounted.splice(0).toReversed()) spawnSync("umount", ["-l", path])
  removeTempDir(dir)
})

const mount = (...args: ReadonlyArray<string>): void => {
  execFileSync("mount", [...args])
  mounted.push(args.at(-1) ?? "")
}

/** A file that is a mount point of its own, as a container has it. */
const boundFile = (path: string, text: string): string => {
  const outside = join(dir, `outside-${Math.random().toString(36).slice(2)}`)
  writeFileSync(outside, text)
  writeFileSync(path, "")
  mount("--bind", outside, path)
  return outside
}

const replaced = (path: string, more = {}) => {
  const lines: Array<string> = []
  const logger = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
  const result = Effect.runSync(
    Effect.result(replaceFile({ path, content: "new content", mode: 0o640, ...more })).pipe(Effect.provide(logger))
  )
  return { result, log: lines.join("\n") }
}

describe.runIf(mayMount)("a settings file that is a mount point", () => {
  it("is set, again and again, and unset by the commands, which say so once", async () => {
    const config = join(dir, "etc")
    mkdirSync(config)
    const outside = boundFile(join(config, "tedge.toml"), '[config]\nversion = "2"\n')
    const tedge = (...words: ReadonlyArray<string>) =>
      run(executable("tedge"), ["--config-dir", config, "config", ...words], { env: process.env })
    const first = await tedge("set", "device.type", "a-type-with-a-long-name")
    expect(first).toMatchObject({ code: 0 })
    expect(first.stderr.match(/is a mount point/g)).toHaveLength(1)
    expect(await tedge("set", "device.type", "x")).toMatchObject({ code: 0 })
    expect(readFileSync(outside, "utf8")).toContain('type = "x"')
    expect(await tedge("unset", "device.type")).toMatchObject({ code: 0 })
    expect(readFileSync(outside, "utf8")).not.toContain("type")
  })

  it("is as it was when it cannot be written in full", () => {
    const path = join(dir, "tedge.toml")
    const small = join(dir, "small")
    mkdirSync(small)
    mount("-t", "tmpfs", "-o", "size=8k", "tmpfs", small)
    writeFileSync(join(small, "tedge.toml"), "old content\n")
    writeFileSync(path, "")
    mount("--bind", join(small, "tedge.toml"), path)
    const { result } = replaced(path, { content: "x".repeat(64 * 1024), inPlace: true })
    expect(Result.isFailure(result) && result.failure.code).toBe("ENOSPC")
    expect(readFileSync(path, "utf8")).toBe("old content\n")
  })

  it("is written although its directory is read-only", () => {
    const config = join(dir, "etc")
    mkdirSync(config)
    const outside = boundFile(join(config, "tedge.toml"), "old")
    mount("--bind", config, config)
    boundFile(join(config, "tedge.toml"), "old")
    mount("-o", "remount,ro,bind", config)
    mounted.pop()
    expect(existsSync(outside)).toBe(true)
    const { result } = replaced(join(config, "tedge.toml"), { inPlace: true })
    expect(Result.isSuccess(result)).toBe(true)
    expect(readFileSync(join(config, "tedge.toml"), "utf8")).toBe("new content")
  })

  it("is refused, and as it was, where the file is read-only itself", () => {
    const path = join(dir, "tedge.toml")
    boundFile(path, "old")
    mount("-o", "remount,ro,bind", path)
    mounted.pop()
    const { result } = replaced(path, { inPlace: true })
    expect(Result.isFailure(result) && result.failure.code).toBe("EROFS")
    expect(readFileSync(path, "utf8")).toBe("old")
  })

  it("is not written in place where that was not asked for: a certificate", () => {
    const path = join(dir, "cert.pem")
    boundFile(path, "old")
    const { result } = replaced(path)
    expect(Result.isFailure(result) && result.failure).toMatchObject({ step: "rename", code: "EBUSY" })
    expect(readFileSync(path, "utf8")).toBe("old")
  })
})

describe("a link to settings that are not there", () => {
  it("is an error for reading and for writing, and stays a link", async () => {
    const config = join(dir, "etc")
    mkdirSync(config)
    symlinkSync(join(dir, "data/tedge.toml"), join(config, "tedge.toml"))
    for (const words of [["get", "device.type"], ["set", "device.type", "x"], ["list"]]) {
      const done = await run(executable("tedge"), ["--config-dir", config, "config", ...words], { env: process.env })
      expect(done.code).toBe(1)
      expect(done.stderr).toContain("dangling link")
      expect(done.stderr).toContain("mount its file system")
    }
    expect(lstatSync(join(config, "tedge.toml")).isSymbolicLink()).toBe(true)
    expect(existsSync(join(dir, "data"))).toBe(false)
  })
})

/** Whether it could be done: it takes mkfs.vfat, a loop device and a kernel that knows vfat. */
const mountFat = (image: string, where: string): boolean => {
  execFileSync("truncate", ["-s", "2M", image])
  return (
    spawnSync("mkfs.vfat", [image]).status === 0 &&
    spawnSync("mount", ["-o", "loop,umask=0022", image, where]).status === 0
  )
}

/** Where it cannot, what vfat does is tested with a chmod that is refused (below). */
const hasFat = (() => {
  const trial = makeTempDir()
  const could = mayMount && mountFat(join(trial, "fat.img"), trial)
  if (could) spawnSync("umount", [trial])
  removeTempDir(trial)
  return could
})()
if (mayMount && !hasFat)
  process.stderr.write("not run: vfat cannot be mounted here (test/platform/files/odd-places.test.ts)\n")

describe.runIf(mayMount)("a file system that keeps no permissions", () => {
  if (hasFat)
    it("is written to; where a secret is inside, that others can read it is said", () => {
      const where = join(dir, "fat")
      mkdirSync(where)
      expect(mountFat(join(dir, "fat.img"), where)).toBe(true)
      mounted.push(where)
      const path = join(where, "tedge.toml")
      const { result, log } = replaced(path, { owner: { uid: 1, gid: 1 } })
      expect(Result.isSuccess(result)).toBe(true)
      expect(readFileSync(path, "utf8")).toBe("new content")
      expect(log).toContain("holds a secret")
      expect(replaced(path, { mode: 0o644 }).log).toBe("")
    })

  it("may refuse every change of mode: nothing but a secret is worth a word", () => {
    const refusing = (code: string) => ({
      ...process.getBuiltinModule("node:fs"),
      fchmodSync: () => {
        throw Object.assign(new Error(code), { code })
      }
    })
    const path = join(dir, "a")
    for (const code of ["EPERM", "ENOTSUP", "ENOSYS", "EINVAL"])
      for (const mode of [0o640, 0o644] as const)
        expect(Effect.runSync(replaceFile({ path, content: "new", mode }, refusing(code)))).toMatchObject({})
    chmodSync(path, 0o600)
    expect(statSync(path).size).toBe(3)
  })
})
