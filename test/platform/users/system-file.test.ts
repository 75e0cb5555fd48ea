/** What root takes from a system.toml that another user can write: nothing but that this user is the services'. */
import { chmodSync, chownSync, lchownSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { serviceUser } from "../../../src/platform/users/service-user.ts"
import { readSystemFile } from "../../../src/platform/users/system-file.ts"
import { makeTempDir, removeTempDir } from "../../support/temp-dir.ts"
import { isRoot, type TestUser, testUser } from "../../support/test-user.ts"

describe.runIf(isRoot)("a system.toml of the services' user", () => {
  let user: TestUser
  let dir: string
  beforeAll(() => {
    user = testUser()
  })
  beforeEach(() => {
    dir = makeTempDir()
    return () => removeTempDir(dir)
  })
  afterAll(() => user.remove())

  const path = () => join(dir, "system.toml")
  const written = (lines: string, mode = 0o644) => {
    writeFileSync(path(), lines)
    chownSync(path(), user.uid, user.gid)
    chmodSync(path(), mode)
  }

  const itself = () => `user = "${user.name}"\ngroup = "${user.name}"\n`
  const init = '[init]\nname = "mine"\n'

  it.each([
    ["itself and its group", itself],
    ["itself by number", () => `user = "${user.uid}"\ngroup = "${user.gid}"\n`],
    ["a group it is in", () => `user = "${user.name}"\ngroup = "${user.extraGroup.name}"\n`],
    ["itself, and that owners stay", () => `user = "${user.name}"\ngroup = ""\n`],
    ["itself, beside commands", () => itself() + init]
  ])("that names %s counts", (_, lines) => {
    written(lines())
    expect(serviceUser(dir)).toMatchObject({ kind: "user", name: user.name, uid: user.uid })
  })

  it.each([
    ["root", () => 'user = "root"\ngroup = "root"\n'],
    ["the caller, who is root", () => 'user = ""\n'],
    ["another user", () => 'user = "daemon"\ngroup = "daemon"\n'],
    ["a group it is not in", () => `user = "${user.name}"\ngroup = "root"\n`],
    ["a group of another", () => 'group = "shadow"\n'],
    ["what is no text", () => "user = 0\n"]
  ])("that names %s is ignored and reported", (_, lines) => {
    written(lines())
    expect(serviceUser(dir)).toMatchObject({
      kind: "unusable",
      failure: { problem: "untrusted", detail: `user '${user.name}'` }
    })
  })

  it("does not count where others can write it as well", () => {
    for (const mode of [0o666, 0o664]) {
      written(itself(), mode)
      expect([mode, serviceUser(dir).kind]).toEqual([mode, "unusable"])
    }
  })

  it("counts behind a link of root's or its own, and a link of its own to another's file does not", () => {
    written(itself())
    renameSync(path(), `${path()}.real`)
    for (const uid of [0, user.uid]) {
      rmSync(path(), { force: true })
      symlinkSync(`${path()}.real`, path())
      lchownSync(path(), uid, 0)
      expect([uid, serviceUser(dir).kind]).toEqual([uid, "user"])
    }
    chownSync(`${path()}.real`, 0, 0)
    expect(serviceUser(dir).kind).toBe("unusable")
  })

  it("never gives root commands to run", () => {
    written(itself() + init)
    expect(readSystemFile(dir, "commands")).toEqual({ kind: "untrusted", writer: `user '${user.name}'` })
    written(itself())
    expect(readSystemFile(dir, "commands").kind).toBe("read")
  })
})
