/** The Debian packages an add-on needs, read off the symbol versions it asks for: no tool of the target's is needed for that. */
import { spawnSync } from "node:child_process"
import { PackageFailed } from "./package-failed.mjs"

/** Newest symbol version of libstdc++ -> the release of GCC that introduced it. Debian 12 has 3.4.30. */
const gcc = { "3.4.21": "5.1", "3.4.22": "6", "3.4.26": "9", "3.4.29": "11", "3.4.30": "12" }

export const libraryPackages = (files) => {
  const text = files.map(versionsIn).join("\n")
  const libc = newest(text.matchAll(/\bGLIBC_([\d.]+)/g))
  const cxx = newest(text.matchAll(/\bGLIBCXX_([\d.]+)/g))
  return [
    `libc6 (>= ${libc ?? "2.36"})`,
    ...(/\bGCC_[\d.]+/.test(text) ? ["libgcc-s1"] : []),
    ...(cxx === undefined ? [] : [`libstdc++6 (>= ${gcc[cxx] ?? "5.1"})`])
  ]
}

const versionsIn = (file) => {
  const done = spawnSync("readelf", ["--wide", "--version-info", file], { encoding: "utf8" })
  if (done.status !== 0) throw new PackageFailed(`readelf: ${(done.error?.message ?? done.stderr).trim()}`)
  return done.stdout
}

const newest = (matches) =>
  [...matches]
    .map(([, version]) => version)
    .sort((left, right) => left.localeCompare(right, "en", { numeric: true }))
    .at(-1)
