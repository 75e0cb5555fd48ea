"use strict"
/**
 * Makes the code caches of the executables, for the Node that runs it: `node bin/write-code-cache.js`.
 *
 * Once at installation, by who may write to dist/. Each executable runs in a process of its own, as far as it gets without a
 * device, so that the cache holds what a start needs.
 */
const { spawnSync } = require("node:child_process")
const { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } = require("node:fs")
const { tmpdir } = require("node:os")
const { basename, join } = require("node:path")
const { cacheFile, cacheOf, load } = require("./start.js")

const dist = join(__dirname, "..", "dist")

/**
 * Bundle -> arguments of the run that warms it up, in a directory of its own. The signing service listens, and ends because
 * Node is no PKCS#11 module.
 */
const runs = {
  "tedge.cjs": ["config", "get", "c8y.url"],
  "tedge-main.cjs": ["config", "list"],
  "tedge-mapper.cjs": ["c8y", "--graph"],
  "tedge-p11-server.cjs": ["--module-path", process.execPath, "--socket-path", "./socket"]
}

/** Settings and service manager of whoever installs are not for these runs. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(?:TEDGE_|OTEL_|NOTIFY_SOCKET|WATCHDOG_|LISTEN_)/.test(name))
)

const writeAll = () => {
  const dir = mkdtempSync(join(tmpdir(), "tedge-code-cache-"))
  try {
    writeFileSync(
      join(dir, "tedge.toml"),
      'run.path = "."\n[device]\nid = "cache"\n[c8y]\nurl = "localhost"\nauth_method = "basic"\n'
    )
    writeFileSync(join(dir, "credentials.toml"), '[c8y]\nusername = "t1/u"\npassword = "p"\n', { mode: 0o600 })
    for (const [bundle, words] of Object.entries(runs)) {
      if (!existsSync(join(dist, bundle))) continue
      const args = [__filename, bundle, "--config-dir", dir, ...words]
      const { status, signal } = spawnSync(process.execPath, args, { cwd: dir, env, stdio: "ignore", timeout: 60_000 })
      if (status === null) throw new Error(`${bundle}: ended by ${signal}`)
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** The caches of other Nodes and of bundles before these. */
const removeOld = () => {
  for (const name of readdirSync(dist)) if (name.endsWith(".cache")) rmSync(join(dist, name))
}

/** In the child: the bundle sees the command line it would have. Written beside and renamed: a start may read meanwhile. */
const writeOne = (name) => {
  const bundle = join(dist, name)
  process.argv.splice(1, 2, join(__dirname, basename(name, ".cjs")))
  load(bundle, (script) =>
    process.once("exit", () => {
      const fresh = `${cacheFile(bundle)}.${process.pid}`
      writeFileSync(fresh, cacheOf(bundle, script))
      renameSync(fresh, cacheFile(bundle))
    })
  )
}

const name = process.argv[2]
if (name !== undefined && name in runs) writeOne(name)
else {
  try {
    removeOld()
    writeAll()
  } catch (error) {
    process.stderr.write(`error: the code caches were not written to '${dist}': ${error.message}\n`)
    process.exitCode = 1
  }
}
