/** What the bundles of the executables leave out, on a program of four lines. */
import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, writeFileSync } from "node:fs"
import { basename, join, resolve } from "node:path"
import { build } from "esbuild"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { build as buildBundles } from "../../scripts/build.mjs"
import { inPlaceOf, lean, leanLibrary } from "../../scripts/bundles/plugins.mjs"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"

let dir: string
beforeAll(() => {
  dir = makeTempDir()
  mkdirSync(join(dir, "src"))
})
afterAll(() => removeTempDir(dir))

const bundled = async (source: string, plugins = lean) => {
  const entry = join(dir, "src", "program.ts")
  writeFileSync(entry, source)
  const outfile = join(dir, "program.cjs")
  const { metafile } = await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: "node",
    format: "cjs",
    alias: inPlaceOf,
    plugins,
    metafile: true,
    nodePaths: [resolve("node_modules")]
  })
  const bytes: Record<string, number> = {}
  for (const { inputs } of Object.values(metafile.outputs))
    for (const [path, { bytesInOutput }] of Object.entries(inputs))
      bytes[path.replace(/^.*node_modules\//, "")] = bytesInOutput
  const { stdout, stderr } = spawnSync(process.execPath, [outfile], { encoding: "utf8" })
  return { bytes, stdout, stderr }
}

describe("a bundle", () => {
  it("has of Effect only what is used, and works", async () => {
    const { bytes, stdout, stderr } = await bundled(`import {
  type Effect,
  Option,
  pipe
} from "effect"
const one: Option.Option<Effect.Success<Effect.Effect<number>>> = Option.some(41)
console.log(pipe(one, Option.map((n) => n + 1), Option.getOrUndefined))
`)
    expect({ stdout, stderr }).toEqual({ stdout: "42\n", stderr: "" })
    expect(bytes["effect/dist/Option.js"]).toBeLessThan(1500)
    expect(bytes["effect/dist/Effect.js"] ?? 0).toBe(0)
  })

  it("loads none of Node's larger modules before they are used", async () => {
    const { stdout, stderr } = await bundled(`import { createHash } from "node:crypto"
import { type Socket, connect } from "node:net"
const loaded = () => process.moduleLoadList.filter((name) => /^NativeModule (crypto|net)$/.test(name))
console.error = (...words) => require("node:fs").writeSync(1, words.join(" ") + "\\n")
console.error("before:", ...loaded())
console.error(createHash("sha256").update("").digest("hex").slice(0, 8), typeof connect, ...loaded().sort())
`)
    expect({ stdout, stderr }).toEqual({
      stdout: "before:\ne3b0c442 function NativeModule crypto NativeModule net\n",
      stderr: ""
    })
  })

  it("makes no resource of async_hooks for a fiber that waits; that of the library does", async () => {
    const source = `import { Effect } from "effect"
let made = 0
require("node:async_hooks").createHook({ init: (_, type) => void (made += type === "effect/Fiber" ? 1 : 0) }).enable()
Effect.runPromise(Effect.callback((resume) => void setImmediate(() => resume(Effect.void)))).then(() => console.log(made))
`
    expect((await bundled(source)).stdout).toBe("0\n")
    expect((await bundled(source, leanLibrary)).stdout).toBe("1\n")
  })

  it("measures text as Effect does, with ICU only then", async () => {
    const { stdout, stderr } = await bundled(`import { displayWidth } from "effect/cli/CliOutput"
const { Segmenter } = Intl
let made = 0
Intl.Segmenter = class extends Segmenter {
  constructor(...args) {
    super(...args)
    made++
  }
}
console.log(made, ["file", "ファイル", "é", "1️⃣", "\\u001b[1mbold\\u001b[0m"].map(displayWidth).join(), made > 0)
`)
    expect({ stdout, stderr }).toEqual({ stdout: "0 4,8,1,2,4 true\n", stderr: "" })
  })

  it("takes for granted what Effect would find out of stack traces at each start: V8 names properties there", async () => {
    const { stdout, stderr } = await bundled(`import { Effect } from "effect"
const [continued, called] = ["~continued", "~called"]
const inContinuation = { [continued]: function stackProbe() { return new Error() } }[continued]().stack
const inCall = { [called]: (body) => body() }[called](() => new Error()).stack
const limit = Effect.runSync(Effect.map(Effect.succeed(1), () => Error.stackTraceLimit))
console.log(inContinuation.includes("[as " + continued + "]"), inCall.includes(called), limit)
`)
    expect({ stdout, stderr }).toEqual({ stdout: "true true 10\n", stderr: "" })
  })

  it("repeats by a schedule without a calendar", async () => {
    const { bytes, stdout } = await bundled(`import { Effect, Schedule } from "effect"
Effect.runPromise(Effect.repeat(Effect.sync(() => console.log("once more")), Schedule.recurs(1)))
`)
    expect(stdout).toBe("once more\nonce more\n")
    expect(bytes["effect/dist/Cron.js"] ?? 0).toBe(0)
  })

  it("has an MQTT client without ways to connect, WebSockets, SOCKS and a cache of aliases", async () => {
    const { bytes, stdout, stderr } = await bundled(`import { DefaultMessageIdProvider, MqttClient } from "mqtt"
console.log(typeof MqttClient.prototype.publish, typeof DefaultMessageIdProvider.prototype.allocate)
`)
    expect({ stdout, stderr }).toEqual({ stdout: "function function\n", stderr: "" })
    const kept = Object.keys(bytes).filter((path) => bytes[path] !== 0)
    expect(kept.filter((path) => /^(ws|socks|lru-cache|debug|mqtt\/build\/lib\/connect)\//.test(path))).toEqual([])
  })
})

describe("the bundle of a service", () => {
  it("is without Effect's CLI, which another one has for a command line that is not correct", async () => {
    const installed = join(dir, "installed")
    cpSync("bin", join(installed, "bin"), { recursive: true })
    const { outputs } = await buildBundles({ out: join(installed, "dist"), library: false })
    const withCli = Object.entries(outputs).flatMap(([path, { inputs }]) =>
      Object.keys(inputs).some((input) => input.includes("effect/dist/cli/")) ? [basename(path)] : []
    )
    expect(withCli.toSorted()).toEqual(["line-refusal.cjs", "tedge-main.cjs"])
    for (const service of ["tedge-p11-server", "tedge-mapper"]) {
      const { status, stderr } = spawnSync(join(installed, "bin", service), ["--nope"], { encoding: "utf8" })
      expect({ status, stderr }).toEqual({
        status: 2,
        stderr: expect.stringContaining("error: unexpected argument '--nope' found\n")
      })
    }
  })
})
