/** What another user may read, against the kernel's own answer. */
import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { closedTo } from "../../../src/platform/users/user-access.ts"
import { makeTempDir, removeTempDir } from "../../support/temp-dir.ts"
import { isRoot, type TestUser, testUser } from "../../support/test-user.ts"

describe.runIf(isRoot)("a file, looked at as another user", () => {
  let user: TestUser
  let dir: string
  beforeAll(() => {
    user = testUser()
    dir = makeTempDir()
    chmodSync(dir, 0o755)
    mkdirSync(join(dir, "below"))
  })
  afterAll(() => {
    user.remove()
    removeTempDir(dir)
  })

  it("is closed where the kernel says so, for every owner, group and mode, and names what is closed", () => {
    const [below, path] = [join(dir, "below"), join(dir, "below", "file")]
    writeFileSync(path, "x")
    const owners = [
      [0, 0],
      [user.uid, 0],
      [0, user.gid],
      [0, user.extraGroup.gid]
    ] as const
    for (const [uid, gid] of owners)
      for (const mode of [0o600, 0o640, 0o604, 0o044, 0o400])
        for (const directoryMode of [0o700, 0o711] as const) {
          chownSync(path, uid, gid)
          chmodSync(path, mode)
          chmodSync(below, directoryMode)
          const closed = closedTo({ name: user.name, uid: user.uid, gid: user.gid }, path)
          expect(closed === undefined).toBe(user.run("cat", [path]).status === 0)
          if (directoryMode === 0o700) expect(closed).toEqual({ path: below, needs: "x" })
          else if (closed !== undefined) expect(closed).toEqual({ path, needs: "r" })
        }
  })
})
