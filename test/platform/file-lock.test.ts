/** The lock file, against itself and against flock(1). */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import { acquireFileLock } from "../../src/platform/file-lock.ts"
import { testDirectory } from "../support/pki.ts"

const dir = testDirectory()
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const whileLocked = <A>(path: string, look: () => A) =>
  Effect.runPromise(Effect.scoped(Effect.andThen(acquireFileLock(path), Effect.sync(look))))

const refusal = (path: string) => Effect.runPromise(Effect.flip(Effect.scoped(acquireFileLock(path))))

const freeForOthers = (path: string) => spawnSync("flock", ["-n", path, "true"]).status === 0

describe("a file lock", () => {
  it("keeps others out for as long as the scope is open, and holds our process id", async () => {
    const path = join(dir, "a.lock")
    const seen = await whileLocked(path, () => ({ free: freeForOthers(path), text: readFileSync(path, "utf8") }))
    expect(seen).toEqual({ free: false, text: `${process.pid}\n` })
    expect(freeForOthers(path)).toBe(true)
    expect(existsSync(path)).toBe(true)
  })

  it("replaces the id of an earlier holder, however long that was", async () => {
    const path = join(dir, "b.lock")
    writeFileSync(path, "1234567890\n")
    await whileLocked(path, () => expect(readFileSync(path, "utf8")).toBe(`${process.pid}\n`))
  })

  it("names the holder", async () => {
    const path = join(dir, "c.lock")
    const refused = await Effect.runPromise(
      Effect.scoped(Effect.andThen(acquireFileLock(path), Effect.flip(Effect.scoped(acquireFileLock(path)))))
    )
    expect(refused).toMatchObject({ _tag: "LockHeld", path, pid: process.pid })
    await whileLocked(path, () => undefined) // the refused one left nothing behind
  })

  it("knows no holder when the file names none", async () => {
    const path = join(dir, "d.lock")
    const refused = await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          yield* acquireFileLock(path)
          writeFileSync(path, "no number")
          return yield* Effect.flip(Effect.scoped(acquireFileLock(path)))
        })
      )
    )
    expect(refused).toMatchObject({ _tag: "LockHeld", pid: undefined })
  })

  it("follows no link and needs a directory", async () => {
    const [target, link] = [join(dir, "target"), join(dir, "link.lock")]
    writeFileSync(target, "keep me")
    symlinkSync(target, link)
    mkdirSync(join(dir, "folder.lock"))
    expect(await refusal(link)).toMatchObject({ _tag: "LockUnavailable", code: "ELOOP" })
    expect(await refusal(join(dir, "missing", "a.lock"))).toMatchObject({ _tag: "LockUnavailable", code: "ENOENT" })
    expect(await refusal(join(dir, "folder.lock"))).toMatchObject({ _tag: "LockUnavailable", code: "EISDIR" })
    expect(readFileSync(target, "utf8")).toBe("keep me")
  })
})
