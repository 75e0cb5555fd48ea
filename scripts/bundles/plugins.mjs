/** What the bundles of the executables leave out. What a library loads and we never use costs memory and start time. */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const here = dirname(fileURLToPath(import.meta.url))
const packages = join(here, "../../node_modules")
const require = createRequire(import.meta.url)
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

/**
 * What modules of Effect do as they are loaded, and each start pays for: [module, what is found in it, what it becomes].
 *
 * ICU's data of all languages for the widths of texts, 10 ms: at their first use. And two stack traces, for which V8 looks for
 * the ends of all lines: in place of them what they show on V8, which names the functions that are looked for.
 */
const atLoad = [
  [
    "cli/CliOutput",
    /new Intl\.Segmenter\(undefined, \{\s*granularity: "grapheme"\s*\}\)/,
    '{ segment: (text) => new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text) }'
  ],
  ["cli/CliOutput", /(?<=const zeroWidthCodePoints = )(?=\/.*;$)/m, "() => "],
  ["cli/CliOutput", /(?<=\.replace\(zeroWidthCodePoints)(?=, "")/, "()"],
  ["cli/CliOutput", /(?<=const emojiPresentation = )(?=\/.*;$)/m, "() => "],
  ["cli/CliOutput", /(?<=emojiPresentation)(?=\.test\()/, "()"],
  [
    "internal/effect",
    /(?<=const continuationMarksStack = )\/\*#__PURE__\*\/\(\(\) => \{[\s\S]*?stackProbe[\s\S]*?\}\)\(\)/,
    "true"
  ],
  [
    "Utils",
    /setStackTraceLimit\(2\);[\s\S]*?return error\.stack[^:]*: forced\[InternalTypeId\]/,
    "return standard[InternalTypeId]"
  ]
]

/** Each time a fiber waits it makes a resource of async_hooks, for programs with contexts of their own (AsyncLocalStorage). */
const atWait = [
  ["internal/effect", /(?<=const captureAsyncContext = \(\) => )AsyncResource === undefined \? [^;]+(?=;)/, "undefined"]
]

const lessOfEffect = (changes) => ({
  name: "less-of-effect",
  setup: ({ onLoad }) => {
    for (const module of new Set(changes.map(([name]) => name)))
      onLoad({ filter: new RegExp(`/effect/dist/${module}\\.js$`) }, ({ path }) => ({
        contents: changes.filter(([name]) => name === module).reduce(replaced(path), readFileSync(path, "utf8"))
      }))
  }
})

const replaced =
  (path) =>
  (text, [, found, becomes]) => {
    if (!found.test(text)) throw new Error(`${path} is another version of Effect: it has no ${found}`)
    return text.replace(found, () => becomes)
  }

/** Modules of Node that take some milliseconds to load. Ours that import them do so at the first use of a name. */
const builtinsLater = {
  name: "builtins-later",
  setup: ({ onResolve, onLoad }) => {
    onResolve(
      { filter: /^node:(child_process|crypto|https?|net|perf_hooks|tls|v8|vm)$/ },
      ({ path, kind, importer }) =>
        kind === "import-statement" && /\/src\/.*\.ts$/.test(importer) ? { path, namespace: "later" } : undefined
    )
    onLoad({ filter: /./, namespace: "later" }, ({ path }) => ({
      resolveDir: here,
      contents: `for (const name of ${JSON.stringify(Object.keys(require(path)))})
  Object.defineProperty(exports, name, { enumerable: true, configurable: true, get: () => {
    const value = require("${path}")[name]
    Object.defineProperty(exports, name, { value })
    return value
  } })`
    }))
  }
}

const leanWith = (changes) => [withoutUnused, modulesOfEffect, lessOfEffect(changes), builtinsLater]

export const lean = leanWith([...atLoad, ...atWait])

/** Of a library: the program it is used in may follow its own contexts. */
export const leanLibrary = leanWith(atLoad)
