/** `tedge config upgrade` by a user who may not write everywhere: all files stay, and what is in the way is told. */
import { spawnSync } from "node:child_process"
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { executable } from "../../../support/device/device.ts"
import { isRoot, type TestUser, testUser } from "../../../support/test-user.ts"

let user: TestUser
let dir: string

const text =
  '[config]\nversion = "2"\n[c8y]\nurl = "t.example"\n[c8y.profiles.prod]\nurl = "p.example"\n[az]\nurl = "z.example"\n[aws]\nurl = "w.example"\n'

const upgrade = () => user.run(executable("tedge"), ["--config-dir", dir, "config", "upgrade"])
const written = () => readFileSync(join(dir, "tedge.toml"), "utf8")
const make = (path: string, mode: number, owner?: TestUser) => {
  mkdirSync(join(dir, path), { recursive: true })
  if (owner !== undefined) chownSync(join(dir, path), owner.uid, owner.gid)
  chmodSync(join(dir, path), mode)
}

describe.runIf(isRoot)("an upgrade that may not write", () => {
  beforeAll(() => {
    user = testUser()
  })
  afterAll(() => user.remove())
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "upgrade-refused-"))
    writeFileSync(join(dir, "tedge.toml"), text)
    writeFileSync(join(dir, "system.toml"), `user = "${user.name}"\ngroup = "${user.name}"\n`)
    for (const path of [dir, join(dir, "tedge.toml")]) chownSync(path, user.uid, user.gid)
    chmodSync(dir, 0o755)
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  it.each([
    ["mappers may not be written", () => make("mappers", 0o555), "mappers"],
    ["mappers may not be looked into", () => make("mappers", 0o000), "mappers"],
    [
      "the second file may not be made",
      () => {
        make("mappers", 0o755, user)
        make("mappers/c8y.prod", 0o555, user)
      },
      "mappers/c8y.prod"
    ],
    [
      "several clouds may not be written",
      () => {
        make("mappers", 0o755, user)
        make("mappers/c8y.prod", 0o555)
        make("mappers/aws", 0o555)
      },
      "mappers/"
    ],
    ["the configuration directory is read-only", () => chmodSync(dir, 0o555), ""],
    [
      "tedge.toml is in a read-only directory, mappers is not",
      () => {
        make("mappers", 0o755, user)
        chmodSync(dir, 0o555)
      },
      "tedge.toml"
    ]
  ])("as %s", (_, obstruct, path) => {
    obstruct()
    const { status, output } = upgrade()
    expect([status, output]).toEqual([1, expect.stringContaining("Permission denied")])
    expect(output).toContain(join(dir, path))
    expect(output).toMatch(/tedge config upgrade/)
    expect(written()).toBe(text)
    for (const name of ["c8y", "c8y.prod", "az", "aws"])
      expect([name, existsSync(join(dir, "mappers", name, "mapper.toml"))]).toEqual([name, false])
    for (const one of ["", "mappers", "mappers/c8y.prod", "mappers/aws"])
      if (existsSync(join(dir, one))) chmodSync(join(dir, one), 0o777)
    expect(upgrade().status).toBe(0)
    expect(written()).toBe('[config]\nversion = "2"\n')
  })

  it("goes on after root has changed settings, with the system.toml that tedge init of thin-edge gave to its user", () => {
    chownSync(join(dir, "system.toml"), user.uid, user.gid)
    for (const words of ["set c8y.url root.example", "set device.cryptoki.pin 1234", "unset device.cryptoki.pin"]) {
      const done = spawnSync(executable("tedge"), ["--config-dir", dir, "config", ...words.split(" ")])
      expect([words, done.status, String(done.stderr)]).toEqual([words, 0, ""])
    }
    expect(upgrade()).toMatchObject({ status: 0, output: expect.not.stringContaining("warning") })
    expect(readFileSync(join(dir, "mappers/c8y/mapper.toml"), "utf8")).toContain('url = "root.example"')
  })

  it("leaves what it makes to the user of system.toml, directories open and files with mode 644", () => {
    expect(upgrade()).toMatchObject({ status: 0 })
    for (const path of ["mappers", "mappers/c8y", "mappers/c8y/mapper.toml"]) {
      const { uid, gid, mode } = statSync(join(dir, path))
      expect([path, uid, gid, (mode & 0o777).toString(8)]).toEqual([
        path,
        user.uid,
        user.gid,
        expect.stringMatching(path.endsWith(".toml") ? /^644$/ : /^7\d\d$/)
      ])
    }
  })
})
