/** What the bundles of the executables leave out. What a library loads and we never use costs memory and start time. */
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const here = dirname(fileURLToPath(import.meta.url))
const packages = join(here, "../../node_modules")
const beside = (name) => join(here, name)

export const inPlaceOf = {
  debug: beside("no-debug.cjs"),
  mqtt: beside("mqtt-client.mjs"),
  "lru-cache": beside("no-topic-aliases.cjs"),
  "worker-timers": beside("absent.cjs"),
  "readable-stream": "node:stream",
  // Its ES modules: of the CommonJS ones nothing can be left out.
  rxjs: join(packages, "rxjs/dist/esm/index.js")
}

/** The questions, wizard and shell completions of effect/cli: ours are made from our own commands. */
const unusedOfCli = /^\.\/(Prompt|Completions|internal\/wizard)\.js$/

const withoutUnused = {
  name: "without-unused",
  setup: ({ onResolve }) => {
    const absent = (filter, from) =>
      onResolve({ filter }, ({ importer }) => (from.test(importer) ? { path: beside("absent.cjs") } : undefined))
    absent(unusedOfCli, /\/effect\/dist\/cli\/\w+\.js$/)
    // No schedule of ours is one of calendar days.
    absent(/^\.\/Cron\.js$/, /\/effect\/dist\/Schedule\.js$/)
  }
}

const effectIndex = readFileSync(join(packages, "effect/dist/index.js"), "utf8")
const effectModules = new Map(
  [...effectIndex.matchAll(/^export \* as (\w+) from "\.\/(.+)\.js"/gm)].map(([, name, file]) => [name, file])
)

/**
 * `import { Effect } from "effect"` reads `import * as Effect from "effect/Effect"`: esbuild keeps all of a module that is
 * handed on under a name (`export * as`), used or not, and half of Effect is not.
 */
const modulesOfEffect = {
  name: "modules-of-effect",
  setup: ({ onLoad }) =>
    onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => ({
      loader: "ts",
      contents: readFileSync(path, "utf8").replace(/^import \{([^}]*)\} from "effect"$/gm, (_, names) =>
        names
          .split(",")
          .map((name) => name.trim())
          .filter((name) => name !== "" && !name.startsWith("type "))
          .map(importOfEffect)
          .join("\n")
      )
    }))
}

const importOfEffect = (name) => {
  const file = effectModules.get(name)
  return file === undefined ? `import { ${name} } from "effect"` : `import * as ${name} from "effect/${file}"`
}

export const lean = [withoutUnused, modulesOfEffect]
