/** A socket that another user may have created in place of the signing service's. */
import { chmodSync, lchownSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeEach, describe, expect, it } from "vitest"
import { foreignOwner } from "../../../src/platform/sockets/socket-io.ts"
import { tempDir } from "../../support/temp-dir.ts"

let dir: string
beforeEach(() => {
  dir = join(tempDir(), "run")
  mkdirSync(dir)
})

const own = process.getuid?.() ?? 0
const trusted = new Set([0, own])

describe("the owner of a socket", () => {
  it("does not matter in a directory where not everybody can make files, nor where there is no socket", () => {
    writeFileSync(join(dir, "p11.sock"), "")
    expect(foreignOwner(join(dir, "p11.sock"), new Set())).toBeUndefined()
    chmodSync(dir, 0o1777)
    expect(foreignOwner(join(dir, "none.sock"), new Set())).toBeUndefined()
    expect(foreignOwner(join(dir, "none/p11.sock"), new Set())).toBeUndefined()
  })

  it("is trusted, or is reported", () => {
    chmodSync(dir, 0o1777)
    writeFileSync(join(dir, "p11.sock"), "")
    expect(foreignOwner(join(dir, "p11.sock"), trusted)).toBeUndefined()
    expect(foreignOwner(join(dir, "p11.sock"), new Set([own + 1]))).toBe(own)
  })

  it.runIf(own === 0)("counts for a link itself, wherever it leads", () => {
    chmodSync(dir, 0o1777)
    writeFileSync(join(dir, "real.sock"), "")
    symlinkSync(join(dir, "real.sock"), join(dir, "p11.sock"))
    lchownSync(join(dir, "p11.sock"), 65533, 65533)
    expect(foreignOwner(join(dir, "p11.sock"), trusted)).toBe(65533)
  })
})
