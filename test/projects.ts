/**
 * Which tests are quick: the project `unit` of vitest.config.ts holds them, the project `system` all others.
 *
 * Chosen by what a file imports, so a test that moves or changes is where it belongs without a list to keep. The files of
 * `unit` share a process with each other: such a test leaves no global state behind.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"

const root = join(import.meta.dirname, "..")

/** `actors/mqtt/session-actor.broker.test.ts`: a test that needs a token or a broker says so in its name. */
const needsMore = /\.(token|tpm|broker|e2e|model)\.test\.ts$/

/** The test files that start no process, need no token and no broker, and may share their process. */
export const unitTests = (): ReadonlyArray<string> =>
  readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts") && !needsMore.test(name))
    .map((name) => join(root, "test", name))
    .filter((file) => !startsProcesses(file) && !needsOwnProcess(file))
    .map((file) => relative(root, file))
    .sort()

/** The test files that share a process with no other: they replace a module for everybody, or count what the process holds. */
export const ownProcessTests = (): ReadonlyArray<string> =>
  readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts") && needsOwnProcess(join(root, "test", name)))
    .map((name) => join("test", name))
    .sort()

const needsOwnProcess = (file: string): boolean =>
  /\bvi\.(mock|doMock)\(|\.(connections|settingsKept)\(\)|\/proc\/self\/(task|fd|smaps)|\bkeptForEach\(/.test(
    textOf(file)
  )

/** True if the file, or anything it imports, imports node:child_process. */
const startsProcesses = (file: string, seen = new Set<string>()): boolean => {
  if (seen.has(file)) return false
  seen.add(file)
  return importsOf(file).some(
    (target) =>
      target === "node:child_process" || (target.startsWith(".") && startsProcesses(join(dirname(file), target), seen))
  )
}

/** What is imported, types left out: `from "x"` after `import` or `export`, a bare `import "x"`, and `import("x")`. */
const importsOf = (file: string): ReadonlyArray<string> =>
  [
    ...textOf(file).matchAll(
      /^(?:import|export) (?!type\b)[^"'`;=]*?\bfrom "([^"]+)"|^import "([^"]+)"|\bimport\("([^"]+)"/gm
    )
  ].map(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? "")

const texts = new Map<string, string>()

/** The text of a source file; "" for a file of data, and for one that is not there. */
const textOf = (file: string): string => {
  if (!/\.(ts|mjs)$/.test(file) || !existsSync(file)) return ""
  const text = texts.get(file) ?? readFileSync(file, "utf8")
  texts.set(file, text)
  return text
}
