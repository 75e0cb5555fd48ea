/** The last error in a log. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { lastErrorIn } from "../../../src/platform/files/log-tail.ts"
import { tempDir } from "../../support/temp-dir.ts"

const last = (text: string): string | undefined => {
  const path = join(tempDir(), "log")
  writeFileSync(path, text)
  return lastErrorIn(path)
}

it("is the last line of that kind, without time, level and target", () => {
  const log =
    "2026-01-01T00:00:00.000Z ERROR tedge-mapper: first\n2026-01-01T00:00:01.000Z ERROR tedge-mapper: second\n"
  expect(last(`${log}2026-01-01T00:00:02.000Z  INFO service-runner: it starts again\n`)).toBe("second")
  expect(last("error: tedge-mapper is not built yet\nhint: npm ci\n")).toBe("tedge-mapper is not built yet")
})

it("is undefined if nothing failed, and found before a megabyte of other lines", () => {
  expect(last(" INFO tedge-mapper: all is well\n")).toBeUndefined()
  expect(last(`${" INFO tedge-mapper: well\n".repeat(50_000)}ERROR tedge-mapper: not well\n`)).toBe("not well")
})
