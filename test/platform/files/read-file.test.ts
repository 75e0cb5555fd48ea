/** Files that another user may have put there: none of them keeps the reader waiting. */
import { execFileSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { readGivenFile, readRegularFile, readRegularText } from "../../../src/platform/files/read-file.ts"
import { tempDir } from "../../support/temp-dir.ts"

it("reads regular files, and refuses at once what a reader would wait for, or never come to an end of", () => {
  const dir = tempDir()
  const [file, pipe] = [join(dir, "file"), join(dir, "pipe")]
  writeFileSync(file, "text")
  execFileSync("mkfifo", [pipe])
  expect(readRegularText(file)).toBe("text")
  const refused = (code: string) => expect.objectContaining({ code })
  expect(() => readRegularFile(pipe)).toThrow(refused("no regular file"))
  expect(() => readGivenFile(pipe)).toThrow(refused("no regular file"))
  expect(() => readRegularFile("/dev/zero")).toThrow(refused("no regular file"))
  expect(() => readRegularFile(dir)).toThrow(refused("EISDIR"))
  expect(() => readRegularFile(join(dir, "none"))).toThrow(refused("ENOENT"))
})
