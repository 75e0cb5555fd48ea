/**
 * Makes dist/: the CommonJS bundles of the executables, the library, and the native add-ons.
 *
 * CommonJS because it starts faster than ESM, bundled because an unbundled start costs 15 times `node -e 0`.
 * Runs as npm's `prepare`, so `npm ci` leaves a working checkout. A missing compiler is reported, never fatal:
 * what needs an add-on says so in one sentence when it is first used.
 */
import "./lib/node-version.mjs"
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { buildAddons } from "./build-addons.mjs"
import { inPlaceOf, lean, leanLibrary } from "./bundles/plugins.mjs"
import { buildLibrary } from "./lib/build/library-outputs.mjs"
import { buildStatusPage } from "./lib/build/status-page.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const { version: packageVersion } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

/** Bundle name -> entry file. Each executable starts from one of them. */
const bundles = {
  tedge: "src/cli/bin/tedge.ts",
  "tedge-main": "src/cli/bin/tedge-main.ts",
  "tedge-mapper": "src/cli/bin/tedge-mapper.ts",
  "tedge-p11-server": "src/cli/bin/tedge-p11-server.ts",
  "service-runner": "src/cli/bin/service-runner.ts",
  "token-host": "src/actors/cryptoki/host/process/token-host.ts"
}

/** The library for other programs. Its ES module is a list of names over this one, so that a program has it once. */
const tls = "src/tls/tls.ts"

/** Only needed where a collector is named: a bundle of its own, with the parts of Effect that it uses. */
const telemetry = {
  module: /^\.\/exporter\.ts$/,
  entry: "src/cli/services/telemetry/exporter.ts",
  bundle: "telemetry"
}

/** The page of `tedge status --web`, as a bundle of its own that is loaded when the page is served. */
const page = { module: /^\.\/page-files\.ts$/, bundle: "status-page" }

/** Only for a service's command line with an error: with a copy of Effect, of which it passes no values. */
const refusal = {
  module: /^\.\/line-refusal\.ts$/,
  entry: "src/cli/command-line/line-refusal.ts",
  bundle: "line-refusal"
}

const apart = {
  name: "apart",
  setup: ({ onResolve }) => {
    for (const { module, bundle } of [telemetry, refusal, page])
      onResolve({ filter: module }, ({ kind }) =>
        kind === "dynamic-import" ? { path: `./${bundle}.cjs`, external: true } : undefined
      )
  }
}

/**
 * Answers what is in which bundle of the executables (esbuild's metafile, outputs). `version` is what `--version` prints;
 * `library`: the runtime, too.
 */
export const build = async ({ out = join(root, "dist"), version = packageVersion, library = true } = {}) => {
  const { build: bundle } = await import("esbuild").catch(withoutEsbuild)
  mkdirSync(out, { recursive: true })
  const present = Object.entries(bundles).filter(([, entry]) => existsSync(join(root, entry)))
  const shared = {
    absWorkingDir: root,
    outdir: out,
    bundle: true,
    platform: "node",
    target: "node20",
    // Stack traces keep their names. esbuild's keepNames would do so too, by a call for each function that is made.
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    logLevel: "warning",
    define: { __VERSION__: JSON.stringify(version) },
    alias: inPlaceOf,
    external: ["pkcs11js", "*.node", "./tedge-main.cjs"]
  }
  // A script that comes from the code cache has no `import()`.
  const supported = { "dynamic-import": false }
  const commonJs = { ...shared, supported, format: "cjs", outExtension: { ".js": ".cjs" } }
  const made = [
    await bundle({
      ...commonJs,
      metafile: true,
      entryPoints: Object.fromEntries(present),
      plugins: [apart, ...lean]
    }),
    await bundle({ ...commonJs, metafile: true, entryPoints: { tls }, plugins: [apart, ...leanLibrary] }),
    await bundle({
      ...commonJs,
      metafile: true,
      entryPoints: Object.fromEntries([telemetry, refusal].map(({ bundle, entry }) => [bundle, entry])),
      plugins: lean
    }),
    await buildStatusPage(root, bundle, join(out, `${page.bundle}.cjs`))
  ]
  if (library) await buildLibrary(root, bundle, { ...shared, alias: {} })
  return { outputs: Object.assign({}, ...made.map(({ metafile }) => metafile.outputs)) }
}

/** `npm ci --omit=dev` ends here in a checkout, which has no bundles yet. */
const withoutEsbuild = (error) => {
  if (error.code !== "ERR_MODULE_NOT_FOUND") throw error
  if (existsSync(join(root, "dist/addons.txt"))) {
    process.stderr.write("build: esbuild is not installed (--omit=dev); the bundles in dist stay as they are\n")
    process.exit(0)
  }
  process.stderr.write(
    "error: esbuild, which makes the bundles, is a development dependency and not installed\n" +
      "hint: run this instead of npm ci --omit=dev:  npm ci && npm prune --omit=dev\n"
  )
  process.exit(1)
}

/** For this Node. Without it the executables start all the same. */
const writeCodeCache = () =>
  spawnSync(process.execPath, [join(root, "bin/write-code-cache.js")], { stdio: ["ignore", "ignore", "inherit"] })

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await build()
  buildAddons(root)
  writeCodeCache()
}
