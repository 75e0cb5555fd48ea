/** The executables as a user starts them: from anywhere, by any path, with and without the built bundles. */
import { type SpawnSyncReturns, spawnSync } from "node:child_process"
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { build } from "esbuild"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { makeTempDir, removeTempDir } from "../../support/temp-dir.ts"

let dir: string
/** An installation of its own: bin and dist, nothing else. */
let home: string

beforeAll(async () => {
  dir = makeTempDir()
  home = join(dir, "installed here")
  cpSync("bin", join(home, "bin"), { recursive: true })
  await build({
    entryPoints: {
      tedge: "src/cli/bin/tedge.ts",
      "tedge-main": "src/cli/bin/tedge-main.ts",
      "tedge-p11-server": "src/cli/bin/tedge-p11-server.ts",
      "token-host": "src/actors/cryptoki/host/process/token-host.ts"
    },
    outdir: join(home, "dist"),
    bundle: true,
    platform: "node",
    format: "cjs",
    outExtension: { ".js": ".cjs" },
    define: { __VERSION__: '"9.8.7"' },
    external: ["pkcs11js", "*.node", "./tedge-main.cjs"],
    logLevel: "error"
  })
  cpSync("dist/unix.node", join(home, "dist", "unix.node"))
  mkdirSync(join(dir, "config"))
  writeFileSync(join(dir, "config", "tedge.toml"), '[c8y]\nurl = "t.example"\n')
})
afterAll(() => removeTempDir(dir))

const run = (
  path: string,
  args: ReadonlyArray<string>,
  options: { readonly cwd?: string; readonly env?: Record<string, string> } = {}
): SpawnSyncReturns<string> =>
  spawnSync(path, args, {
    encoding: "utf8",
    cwd: options.cwd ?? dir,
    env: { PATH: process.env.PATH, TEDGE_CONFIG_DIR: join(dir, "config"), ...options.env }
  })

const tedge = (...args: ReadonlyArray<string>) => run(join(home, "bin", "tedge"), args)

describe("tedge", () => {
  it("starts by absolute path and through a symlink, from any directory", () => {
    symlinkSync(join(home, "bin", "tedge"), join(dir, "linked"))
    for (const path of [join(home, "bin", "tedge"), join(dir, "linked")])
      for (const cwd of ["/", dir])
        expect(run(path, ["--version"], { cwd }).stdout).toBe("tedge 2.0.1+tedge-actors.9.8.7\n")
  })

  it.each([
    ["the second word", "cut -d' ' -f2"],
    ["what looks like a version", "grep -oE '[0-9]+[.][0-9]+[.][0-9]+' | head -n 1"]
  ])("tells scripts that compare %s of its version what it can do", (_, cut) => {
    const isAtLeast = (wanted: string, compare: string) =>
      run("/bin/sh", ["-c", `v=$("$0" --version | ${cut}); w=$1; ${compare}`, join(home, "bin", "tedge"), wanted])
        .status
    for (const compare of [
      'test "$(printf "%s\\n%s\\n" "$v" "$w" | sort -V | head -n 1)" = "$w"',
      'dpkg --compare-versions "$v" ge "$w"'
    ])
      expect([compare, ...["1.5.1", "2.0.0", "2.1.0"].map((wanted) => isAtLeast(wanted, compare))]).toEqual([
        compare,
        0,
        0,
        1
      ])
  })

  it("answers config get, plainly and with a sentence", () => {
    expect(tedge("config", "get", "c8y.url")).toMatchObject({ status: 0, stdout: "t.example\n", stderr: "" })
    expect(tedge("config", "get", "c8y.mqtt").stdout).toBe("t.example:8883\n")
    expect(tedge("config", "get", "device.key_uri")).toMatchObject({ status: 1, stdout: "" })
    expect(tedge("config", "get", "device.nope")).toMatchObject({ status: 2, stdout: "" })
  })

  it("warns that NODE_TLS_REJECT_UNAUTHORIZED has no effect", () => {
    const show = (value: string) =>
      run(join(home, "bin", "tedge"), ["cert", "show"], { env: { NODE_TLS_REJECT_UNAUTHORIZED: value } }).stderr
    expect(show("0")).toContain("NODE_TLS_REJECT_UNAUTHORIZED=0 has no effect")
    expect(show("0")).not.toContain("insecure")
    expect(show("1")).not.toContain("NODE_TLS")
  })

  it.each([
    [["config", "set", "device.cryptoki.pin", "777777"]],
    [["config", "set", "c8y.profiles.prod.device.key_pin", "777777"]],
    [["config", "set", "device.key_uri", "pkcs11:token=a?pin-value=777777"]],
    [["config", "set", "proxy.password", "777777"]],
    [["hsm", "change-pin", "--new-pin", "777777"]],
    [["cert", "upload", "c8y", "--password=777777"]]
  ])("takes secrets off the command line before anything large is loaded: %s", (args) => {
    const probing = join(dir, "probing")
    cpSync(join(home, "bin"), join(probing, "bin"), { recursive: true })
    mkdirSync(join(probing, "dist"), { recursive: true })
    cpSync(join(home, "dist", "unix.node"), join(probing, "dist", "unix.node"))
    const probe = 'process.stdout.write(require("node:fs").readFileSync("/proc/self/cmdline"))'
    writeFileSync(join(probing, "dist", "tedge.cjs"), probe)
    const { stdout } = run(join(probing, "bin", "tedge"), args)
    expect(stdout).toContain(args[0])
    expect(stdout).not.toContain("777777")
  })

  it("sets what it gets", () => {
    expect(tedge("config", "set", "device.type", "a type")).toMatchObject({ status: 0, stdout: "", stderr: "" })
    expect(tedge("config", "get", "device.type").stdout).toBe("a type\n")
  })

  it("takes --config-dir before the environment, at any place", () => {
    for (const args of [
      ["--config-dir", join(dir, "config"), "config", "get", "c8y.url"],
      ["config", "get", "c8y.url", `--config-dir=${join(dir, "config")}`]
    ])
      expect(run(join(home, "bin", "tedge"), args, { env: { TEDGE_CONFIG_DIR: "/nowhere" } }).stdout).toBe(
        "t.example\n"
      )
  })

  it("ends with 2 and says so on stderr when it is misused", () => {
    expect(tedge()).toMatchObject({ status: 2, stdout: "" })
    const { status, stdout, stderr } = tedge("conect", "c8y")
    expect([status, stdout]).toEqual([2, ""])
    expect(stderr).toContain("a similar subcommand exists: 'connect'")
  })

  it("writes no colour codes into a pipe", () => {
    for (const { stdout, stderr } of [tedge("--help"), tedge("config", "get"), tedge("connect", "c8y")])
      expect(stdout + stderr).not.toContain("\u001b")
  })

  it("does not mind a reader that goes away", () => {
    const piped = spawnSync("sh", ["-c", '"$0" config list --doc | head -1; echo ended', join(home, "bin", "tedge")], {
      encoding: "utf8",
      env: { PATH: process.env.PATH, TEDGE_CONFIG_DIR: join(dir, "config") }
    })
    expect(piped.stderr).toBe("")
    expect(piped.stdout.endsWith("ended\n")).toBe(true)
  })

  it.each(["--help", "config list", "config get c8y.url", "status", "status --watch", "status --web"])(
    "says once that its answer cannot be written, and ends with 1: %s",
    (words) => {
      const full = spawnSync("sh", ["-c", `"$0" ${words} > /dev/full`, join(home, "bin", "tedge")], {
        encoding: "utf8",
        env: { PATH: process.env.PATH, TEDGE_CONFIG_DIR: join(dir, "config"), TEDGE_RUN_PATH: dir }
      })
      const errors = full.stderr
        .split("\n")
        .filter((line) => !/^(Open it in a browser|The page is read-only)/.test(line))
      expect(errors).toEqual(["error: the answer could not be written to the standard output: ENOSPC", ""])
      expect(full.status).toBe(1)
    }
  )

  it("says in one sentence what to do when it is not built", () => {
    const bare = join(dir, "bare")
    cpSync("bin", join(bare, "bin"), { recursive: true })
    for (const name of ["tedge", "tedge-mapper", "tedge-p11-server"])
      expect(run(join(bare, "bin", name), ["--version"])).toMatchObject({
        status: 1,
        stdout: "",
        stderr: `error: ${name} is not built yet\nhint: run this first: npm ci (in ${bare})\n`
      })
  })
})

describe("tedge without its add-on, as after `npm ci` without a compiler", () => {
  const without = (...words: ReadonlyArray<string>) => {
    const env = { ...process.env, TEDGE_ADDON_DIR: join(dir, "none"), TEDGE_CONFIG_DIR: join(dir, "config") }
    return spawnSync(join(home, "bin", "tedge"), words, { env, encoding: "utf8" })
  }

  it("says of `config set` that the add-on is missing and how to get it, not that another tedge is writing", () => {
    const { status, stderr } = without("config", "set", "device.type", "x")
    expect([status, stderr]).toEqual([1, expect.stringMatching(/error: .*the native add-on for locks.* is missing/)])
    expect(stderr).toContain("hint: install a C compiler")
    expect(stderr).not.toContain("another tedge")
  })

  it("does what needs none", () => {
    expect(without("config", "get", "device.type").status).toBe(0)
    const created = without("cert", "create", "--device-id", "d")
    expect([created.status, without("cert", "show").status], created.stderr).toEqual([0, 0])
  })
})

describe("tedge-p11-server", () => {
  it("prints the help of its documentation", () => {
    const golden = readFileSync(new URL("../golden/tedge-p11-server-help.txt", import.meta.url), "utf8")
    const [documented = ""] = golden.split("  -h, --help")
    const { status, stdout, stderr } = run(join(home, "bin", "tedge-p11-server"), ["--help"])
    expect([status, stdout.startsWith(documented), stderr]).toEqual([0, true, ""])
    expect(run(join(home, "bin", "tedge-p11-server"), ["-V"]).stdout).toBe(
      "tedge-p11-server 2.0.1+tedge-actors.9.8.7\n"
    )
  })

  it("refuses what it does not know", () => {
    expect(run(join(home, "bin", "tedge-p11-server"), ["--socketpath", "x"])).toMatchObject({ status: 2, stdout: "" })
  })
})

describe("tedge-p11-server, when it cannot serve", () => {
  const server = (...args: ReadonlyArray<string>) => run(join(home, "bin", "tedge-p11-server"), args)

  it("says that it has no module", () => {
    const { status, stdout, stderr } = server()
    expect([status, stdout]).toEqual([1, ""])
    expect(stderr).toMatch(/ERROR tedge_p11_server: .*device\.cryptoki\.module_path/)
  })

  it("does not pretend to run with a module that cannot be loaded", () => {
    const { status, stderr } = server("--module-path", join(dir, "none.so"), "--socket-path", join(dir, "p11.sock"))
    expect([status, stderr]).toEqual([1, expect.stringContaining("none.so")])
  })
})

describe("a service", () => {
  it("starts with one arena of malloc and one thread of V8's, without caches of threads, also through a symlink; a command does not", () => {
    const shown = join(dir, "shown.cjs")
    const show = `const { MALLOC_ARENA_MAX, GLIBC_TUNABLES } = process.env
console.log(MALLOC_ARENA_MAX, GLIBC_TUNABLES, ...process.execArgv, ...process.argv.slice(2))`
    writeFileSync(shown, show)
    const started = (name: string, own = {}) => {
      const link = join(makeTempDir(), `linked ${name}`)
      symlinkSync(join(home, "bin", name), link)
      return run(link, ["--version", "a b"], { env: { NODE_OPTIONS: `--require ${shown}`, ...own } }).stdout.split(
        "\n"
      )[0]
    }
    for (const name of ["tedge-mapper", "tedge-hsm-bridge", "tedge-p11-server"])
      expect([name, started(name)]).toEqual([name, "1 glibc.malloc.tcache_count=0 --v8-pool-size=1 --version a b"])
    expect(started("tedge")).toBe("undefined undefined --version a b")
    const own = { GLIBC_TUNABLES: "glibc.rtld.optional_static_tls=4096" }
    expect(started("tedge-p11-server", own)).toMatch(/^1 glibc\.rtld\.optional_static_tls=4096 /)
  })
})

describe("the code cache", () => {
  const installed = () => {
    const place = makeTempDir()
    for (const part of ["bin", "dist"]) cpSync(join(home, part), join(place, part), { recursive: true })
    const write = () => run(process.execPath, [join(place, "bin", "write-code-cache.js")])
    const caches = () => readdirSync(join(place, "dist")).filter((name) => name.endsWith(".cache"))
    const get = () => run(join(place, "bin", "tedge"), ["config", "get", "c8y.url"])
    const accepted = (bundle: string) => {
      const path = JSON.stringify(join(place, "dist", bundle))
      const code = `require(${JSON.stringify(join(place, "bin", "start.js"))}).load(${path}, (script) =>
        process.once("exit", () => process.stderr.write("\\nrejected: " + script.cachedDataRejected)))`
      return run(process.execPath, ["-e", code, "--", "config", "get", "c8y.url"]).stderr.split("\n").at(-1)
    }
    return { place, write, caches, get, accepted }
  }

  it("is made for the executables that are there, and used", () => {
    const { place, write, caches, get, accepted } = installed()
    expect(accepted("tedge.cjs")).toBe("rejected: undefined")
    expect(write()).toMatchObject({ status: 0, stderr: "" })
    expect(caches().map((name) => name.split(".")[0])).toEqual(["tedge-main", "tedge-p11-server", "tedge"])
    expect(accepted("tedge.cjs")).toBe("rejected: false")
    expect(get()).toMatchObject({ status: 0, stdout: "t.example\n", stderr: "" })
    removeTempDir(place)
  })

  it("of other bytes, of another bundle or of another Node changes nothing", () => {
    const { place, write, caches, get, accepted } = installed()
    write()
    const [cache = ""] = caches().filter((name) => name.startsWith("tedge.cjs"))
    const path = join(place, "dist", cache)
    const good = readFileSync(path)
    for (const bytes of [
      Buffer.alloc(0),
      good.subarray(0, 200),
      Buffer.concat([good.subarray(0, 300), good.subarray(400)]),
      Buffer.concat([good.subarray(0, -2000), good.subarray(-1900)])
    ]) {
      writeFileSync(path, bytes)
      expect(get()).toMatchObject({ status: 0, stdout: "t.example\n", stderr: "" })
    }
    writeFileSync(path, good.toString("latin1").replace(process.version, "v19.0.0"), "latin1")
    expect(accepted("tedge.cjs")).toBe("rejected: undefined")
    writeFileSync(path, good)
    // As long and as old as before: V8 itself would take the cache for it.
    const bundle = join(place, "dist", "tedge.cjs")
    const { atime, mtime } = statSync(bundle)
    writeFileSync(bundle, readFileSync(bundle, "utf8").replace('"9.8.7"', '"9.8.6"'))
    utimesSync(bundle, atime, mtime)
    expect(accepted("tedge.cjs")).toBe("rejected: undefined")
    expect(run(join(place, "bin", "tedge"), ["--version"]).stdout).toBe("tedge 2.0.1+tedge-actors.9.8.6\n")
    removeTempDir(place)
  })

  it("says where it could not be written", () => {
    const { place, write } = installed()
    rmSync(join(place, "dist"), { recursive: true })
    expect(write()).toMatchObject({ status: 1, stderr: expect.stringContaining(`'${join(place, "dist")}'`) })
    removeTempDir(place)
  })
})
