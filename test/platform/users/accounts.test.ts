/** Names of users and groups to their numbers. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { groupId, otherSources, userId } from "../../../src/platform/users/accounts.ts"

const dir = mkdtempSync(join(tmpdir(), "accounts-"))
const file = join(dir, "passwd")
writeFileSync(file, "root:x:0:0::/:/bin/sh\ntedgeX:x:1:1::/:/bin/sh\ntedge:x:997:996::/:/bin/sh\nbroken:x\n")
afterAll(() => rmSync(dir, { recursive: true, force: true }))

describe("an account", () => {
  it.each([
    ["tedge", 997],
    ["root", 0],
    ["1234", 1234],
    ["absent", undefined],
    ["broken", undefined],
    ["", undefined]
  ])("'%s' has the number %s", (name, id) => {
    expect(userId(name, file)).toBe(id)
    expect(groupId(name, file)).toBe(id)
  })

  it("has none without the file", () => {
    expect(userId("root", join(dir, "absent"))).toBeUndefined()
  })
})

describe("another source of names than the files", () => {
  it.each([
    [["passwd: files", "group: compat", "hosts: files dns", "# passwd: ldap"], [], false],
    [["passwd: files ldap"], [], true],
    [["group:\tfiles [NOTFOUND=return] sss # systemd"], [], true],
    [["passwd: files systemd", "group: files systemd"], [], false],
    [["passwd: files systemd"], ["/run/systemd/userdb"], true],
    [["passwd: files systemd"], ["/usr/lib/userdb"], true],
    [[], ["/run/systemd/userdb"], false]
  ])("%j with %j: %s", (lines, directories: ReadonlyArray<string>, expected) => {
    expect(otherSources(lines, (path) => directories.includes(path))).toBe(expected)
  })
})
