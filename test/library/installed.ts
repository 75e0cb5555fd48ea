/**
 * An empty project with this checkout's package installed from its tarball, without network.
 *
 * Effect, rxjs, pkcs11js and the clients are those of the checkout, by links: npm would fetch the same.
 */
import { execFile, execFileSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

const root = join(import.meta.dirname, "../..")

export interface Project {
  readonly dir: string
  readonly tarball: string
  /** The paths in the tarball. */
  readonly contents: ReadonlyArray<string>
  readonly remove: () => void
}

export interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export const newProject = (links: ReadonlyArray<string> = []): Project => {
  const dir = mkdtempSync(join(tmpdir(), "tedge-project-"))
  const made = npm(["pack", "--json", "--ignore-scripts", "--pack-destination", dir], root, join(dir, "npm-cache"))
  const [packed] = JSON.parse(made) as ReadonlyArray<{ filename: string; files: ReadonlyArray<{ path: string }> }>
  if (packed === undefined) throw new Error(`npm pack says nothing: ${made}`)
  const tarball = join(dir, packed.filename)
  writeFileSync(join(dir, "package.json"), '{ "name": "empty", "version": "1.0.0", "private": true }\n')
  npm(["install", ...installAlone, tarball], dir)
  for (const name of links) {
    const target = join(dir, "node_modules", name)
    mkdirSync(dirname(target), { recursive: true })
    symlinkSync(join(root, "node_modules", name), target)
  }
  return {
    dir,
    tarball,
    contents: packed.files.map(({ path }) => path),
    remove: () => rmSync(dir, { recursive: true, force: true })
  }
}

/** The package without pkcs11js, which would be compiled. Offline: whatever else npm wanted to fetch would fail. */
export const installAlone = ["--offline", "--omit=optional", "--no-audit", "--no-fund"]

/** With an empty cache: what npm would ask of a registry fails, on each machine. */
export const npm = (words: ReadonlyArray<string>, cwd: string, cache = join(cwd, "npm-cache")): string =>
  execFileSync("npm", words, {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, npm_config_cache: cache }
  })

export const hasPackage = (name: string): boolean => existsSync(join(root, "node_modules", name, "package.json"))

/** Puts a program of this checkout into the project, and runs it there until it ends by itself. */
export const runIn = (
  project: Project,
  file: string,
  env: Readonly<Record<string, string>>,
  signal?: AbortSignal
): Promise<Ran> => {
  const name = file.replaceAll("/", "-")
  writeFileSync(join(project.dir, name), readFileSync(join(root, file)))
  return run(process.execPath, [name], project.dir, env, signal)
}

export const run = (
  command: string,
  words: ReadonlyArray<string>,
  cwd: string,
  env: Readonly<Record<string, string>> = {},
  signal?: AbortSignal
): Promise<Ran> =>
  new Promise((resolve) => {
    const options = { cwd, env: { ...process.env, ...env }, ...(signal && { signal }) }
    const child = execFile(command, words, options, (_error, out, err) => resolve({ code: child.exitCode, out, err }))
  })
