/** The lock file, against itself and against flock(1). */
import { spawnSync } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { explain } from "../../../src/messages/explain.ts"
import { acquireFileLock } from "../../../src/platform/files/file-lock.ts"
import { makeTempDir } from "../../support/temp-dir.ts"
import { isRoot, type TestUser, testUser } from "../../support/test-user.ts"
import { testDirectory } from "../../support/tls/pki.ts"

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
    expect(seen).toEqual({ free: false, text: `${process.pid}` })
    expect(freeForOthers(path)).toBe(true)
    expect(existsSync(path)).toBe(true)
  })

  it("replaces the id of an earlier holder, however long that was", async () => {
    const path = join(dir, "b.lock")
    writeFileSync(path, "1234567890\n")
    await whileLocked(path, () => expect(readFileSync(path, "utf8")).toBe(`${process.pid}`))
  })

  it("names the holder", async () => {
    const path = join(dir, "c.lock")
    const refused = await Effect.runPromise(
      Effect.scoped(Effect.andThen(acquireFileLock(path), Effect.flip(Effect.scoped(acquireFileLock(path)))))
    )
    expect(refused).toMatchObject({ _tag: "LockHeld", path, pid: process.pid })
    await whileLocked(path, () => undefined) // the refused one left nothing behind
  })

  it("names the holder also when the file does not", async () => {
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
    expect(refused).toMatchObject({ _tag: "LockHeld", pid: process.pid })
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

  it("can be opened by its owner alone, also a file that was open to everybody before", async () => {
    const [fresh, old] = [join(dir, "fresh.lock"), join(dir, "old.lock")]
    writeFileSync(old, "")
    chmodSync(old, 0o644)
    for (const path of [fresh, old]) await whileLocked(path, () => undefined)
    expect([fresh, old].map((path) => statSync(path).mode & 0o777)).toEqual([0o600, 0o600])
  })

  describe.runIf(isRoot)("with other users about", () => {
    let user: TestUser
    beforeAll(() => {
      user = testUser()
    })
    afterAll(() => user.remove())

    it("cannot be held by anybody but its owner, who reads the holder's process id in it", async () => {
      const shared = makeTempDir()
      chmodSync(shared, 0o755)
      const path = join(shared, "service.lock")
      writeFileSync(path, "")
      chmodSync(path, 0o666)
      const owner = { uid: user.uid, gid: user.gid }
      const held = await Effect.runPromise(
        Effect.scoped(
          Effect.andThen(
            acquireFileLock(path, { owner }),
            Effect.sync(() => ({
              byOwner: user.run("cat", [path]),
              status: statSync(path),
              byAnother: spawnSync("setpriv", ["--reuid=65534", "--clear-groups", "flock", "-n", path, "true"]).status
            }))
          )
        )
      )
      expect(held.byOwner).toEqual({ status: 0, output: String(process.pid) })
      expect(held.status).toMatchObject({ uid: user.uid, gid: user.gid })
      expect(held.status.mode & 0o777).toBe(0o600)
      expect(held.byAnother).not.toBe(0)
      rmSync(shared, { recursive: true })
    })

    it("is refused where another user made the file beforehand in a directory of everybody's, and named", async () => {
      const everybodys = makeTempDir()
      chmodSync(everybodys, 0o1777)
      for (const [name, make] of [
        ["file.lock", (path: string) => user.run("touch", [path])],
        ["link.lock", (path: string) => user.run("ln", ["-s", "/etc/hostname", path])],
        ["pipe.lock", (path: string) => user.run("mkfifo", [path])]
      ] as const) {
        const path = join(everybodys, name)
        expect(make(path).status).toBe(0)
        const refused = await refusal(path)
        expect(refused).toMatchObject({ _tag: "LockUnavailable", code: "owner", detail: user.name })
        expect(explain(refused).error).toContain(`user '${user.name}' created it first`)
      }
      rmSync(everybodys, { recursive: true })
    })
  })
})
