/** A directory of its own for a test, gone with the test. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { onTestFinished } from "vitest"

/** Call inside a test or a `beforeEach`. */
export const tempDir = (): string => {
  const dir = makeTempDir()
  onTestFinished(() => removeTempDir(dir))
  return dir
}

/** For `beforeAll`, with `removeTempDir` in `afterAll`. */
export const makeTempDir = (): string => mkdtempSync(join(tmpdir(), "tedge-test-"))

export const removeTempDir = (dir: string): void =>
  rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
