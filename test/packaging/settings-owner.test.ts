/** What the package does with settings that root wrote before it was installed. */
import { chmodSync, linkSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { mustRun } from "../../scripts/lib/run.mjs"
import { tempDir } from "../support/temp-dir.ts"
import { isRoot, type TestUser, testUser } from "../support/test-user.ts"

const script = readFileSync(join(import.meta.dirname, "../../packaging/debian/parts/directories.sh"), "utf8")

describe.runIf(isRoot)("settings that root wrote", () => {
  let user: TestUser
  beforeAll(() => {
    user = testUser()
  })
  afterAll(() => user.remove())

  it("are the services' own after the installation, in their modes; what is behind links is left alone", async () => {
    const dir = tempDir()
    const modes = {
      "tedge.toml": 0o644,
      "system.toml": 0o644,
      "secrets.toml": 0o640,
      "tedge-p11-server.toml": 0o600,
      "mappers/c8y/mapper.toml": 0o640,
      "mappers/c8y.prod/mapper.toml": 0o644
    }
    for (const [name, mode] of Object.entries({ ...modes, "elsewhere/mapper.toml": 0o600 })) {
      mkdirSync(dirname(join(dir, name)), { recursive: true })
      writeFileSync(join(dir, name), "")
      chmodSync(join(dir, name), mode)
    }
    symlinkSync(join(dir, "elsewhere"), join(dir, "mappers/az"))
    mkdirSync(join(dir, "mappers/c8y/flows"))
    writeFileSync(join(dir, "linked"), "")
    mkdirSync(join(dir, "mappers/aws"))
    linkSync(join(dir, "linked"), join(dir, "mappers/aws/mapper.toml"))
    const here = script.replaceAll("/etc/tedge", dir).replaceAll("tedge:tedge", `${user.name}:${user.name}`)
    await mustRun("sh", ["-euc", `${here}\nhand_over_settings`])
    const found = (name: string) => {
      const { uid, gid, mode } = statSync(join(dir, name))
      return [name, uid, gid, mode & 0o777]
    }
    for (const [name, mode] of Object.entries(modes)) expect(found(name)).toEqual([name, user.uid, user.gid, mode])
    for (const name of ["mappers", "mappers/c8y", "mappers/c8y.prod"]) expect(found(name)[1]).toBe(user.uid)
    const { uid } = statSync(dir)
    for (const name of ["elsewhere", "elsewhere/mapper.toml", "mappers/c8y/flows", "linked"])
      expect(found(name)[1]).toBe(uid)
  })
})
