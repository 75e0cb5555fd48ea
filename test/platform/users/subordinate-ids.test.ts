/** Whose a subordinate user id is. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, expect, it } from "vitest"
import { subordinateOwners } from "../../../src/platform/users/subordinate-ids.ts"

const dir = mkdtempSync(join(tmpdir(), "subuid-"))
afterAll(() => rmSync(dir, { recursive: true }))

const users = new Map([
  ["alice", 1001],
  ["root", 0]
])

it("finds the owner of a range by name or number, and follows changes of the file", () => {
  const file = join(dir, "first")
  const ownerOf = subordinateOwners(file, (name) => users.get(name) ?? (/^\d+$/.test(name) ? Number(name) : undefined))
  expect(ownerOf(100_000)).toBeUndefined()
  writeFileSync(file, "alice:100000:65536\n1002:165536:10\nroot:300000:5\nnobody-here:400000:5\nbad:x:1\nalice:\n")
  expect([99_999, 100_000, 165_535, 165_536, 165_546].map(ownerOf)).toEqual([undefined, 1001, 1001, 1002, undefined])
  // Neither root nor unknown: one count for the range.
  expect([300_003, 400_004].map(ownerOf)).toEqual([300_000, 400_000])
  rmSync(file)
  expect(ownerOf(100_000)).toBeUndefined()
})

it("a user within a range of its own is itself", () => {
  const file = join(dir, "second")
  writeFileSync(file, "1002:1000:65536\n")
  const ownerOf = subordinateOwners(file, Number)
  expect([1002, 1003].map(ownerOf)).toEqual([undefined, 1002])
})
