/** The package as it is published: what is in it, that it installs into an empty project, and loads in every way. */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { basename, join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest"
import { tempDir } from "../support/temp-dir.ts"
import { isRoot, testUser } from "../support/test-user.ts"
import { hasPackage, installAlone, newProject, npm, type Project, run } from "./installed.ts"

const root = join(import.meta.dirname, "../..")
const tools = ["publint", "@arethetypeswrong/core"]
let project: Project

beforeAll(() => {
  project = newProject()
})
afterAll(() => project.remove())

const places: Readonly<Record<string, RegExp>> = {
  documents: /^(README|CHANGELOG|SECURITY)\.md$|^LICENSE$|^docs\/[\w./-]+\.(md|png|svg)$/,
  examples: /^examples\/[\w-]+\.(mjs|md)$/,
  programs: /^bin\/[\w.-]+$/,
  bundles: /^dist\/[\w-]+\.(cjs|mjs)$|^dist\/chunks\/[\w-]+\.mjs$/,
  types: /^dist\/types\/(mjs|cjs)\/[\w/-]+\.d\.[mc]ts$/,
  addons: /^dist\/(tls|unix)\.node$|^dist\/addons\.txt$|^native\/(tls|unix)\/[\w-]+\.[ch]$/,
  installation: /^package\.json$|^scripts\/(install|build-addons|lib\/node-headers)\.mjs$|^packaging\//
}

describe("the package", () => {
  it("holds programs, library, add-ons with their sources, documents and examples, and nothing else", () => {
    const kinds = Object.values(places)
    expect(project.contents.filter((path) => !kinds.some((kind) => kind.test(path)))).toEqual([])
    for (const [kind, pattern] of Object.entries(places))
      expect(
        project.contents.some((path) => pattern.test(path)),
        kind
      ).toBe(true)
  })

  it("installs nothing that is bundled already", () => {
    expect(readdirSync(join(project.dir, "node_modules")).filter((name) => !name.startsWith("."))).toEqual([
      "tedge-actors"
    ])
  })

  it("installs globally as a plain user, and its programs run", async () => {
    const home = tempDir()
    const tarball = join(home, basename(project.tarball))
    copyFileSync(project.tarball, tarball)
    const prefix = join(home, "global")
    const words = ["install", "-g", "--prefix", prefix, ...installAlone, tarball]
    if (isRoot) {
      const user = testUser()
      onTestFinished(() => user.remove())
      chmodSync(home, 0o755)
      chownSync(home, user.uid, user.gid)
      const env = [`HOME=${home}`, `npm_config_cache=${join(home, "npm-cache")}`]
      const { status, output } = user.run("env", [...env, "npm", ...words])
      expect(status, output).toBe(0)
    } else npm(words, home)
    for (const program of ["tedge", "tedge-p11-server"])
      expect(await run(join(prefix, "bin", program), ["--version"], home)).toMatchObject({
        code: 0,
        out: expect.stringMatching(/\d+\.\d+\.\d+/)
      })
  })

  it("compiles add-ons that do not load here, without development dependencies", async () => {
    const installed = join(project.dir, "node_modules/tedge-actors")
    const addon = join(installed, "dist/unix.node")
    writeFileSync(addon, "of another processor")
    expect(await run(process.execPath, ["scripts/install.mjs"], installed)).toMatchObject({ code: 0 })
    expect(readFileSync(addon).subarray(1, 4).toString()).toBe("ELF")
  })

  it("installs without a compiler, and says what is missing where it is needed", async () => {
    const installed = join(project.dir, "node_modules/tedge-actors")
    const addon = join(installed, "dist/tls.node")
    const kept = readFileSync(addon)
    writeFileSync(addon, "of another processor")
    const env = { CC: "/nowhere/cc" }
    expect(await run(process.execPath, ["scripts/install.mjs"], installed, env)).toMatchObject({ code: 0 })
    const program = `
      const { connect } = require("tedge-actors/tls")
      const { generateKeyPairSync } = require("node:crypto")
      const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
      const cert = "-----BEGIN CERTIFICATE-----"
      connect({ key: { publicKey, sign() {} }, cert, ca: cert, port: 1 }).on("error", ({ code, message }) => console.log(code, message))`
    const { out } = await run(process.execPath, ["-e", program], project.dir)
    expect(out).toMatch(/^ERR_ADDON_NOT_LOADED .*compiler/)
    writeFileSync(addon, kept)
  })

  it.skipIf(!tools.every(hasPackage))("is what publint and arethetypeswrong want", async () => {
    const script = join(root, "scripts/lint-package.mjs")
    expect(await run(process.execPath, [script, project.tarball], root)).toMatchObject({ out: "", code: 0 })
  })
})

describe("TypeScript", () => {
  const program = `
    import { openToken, connect, createAgent, undiciConnector, TokenError, type SigningKey, type Token } from "tedge-actors/tls"
    import { get } from "node:https"
    import { once } from "node:events"
    import { createPublicKey } from "node:crypto"
    export const open = async (): Promise<string> => {
      const token: Token = openToken({ module: "/usr/lib/softhsm/libsofthsm2.so", pin: "123456", environment: {} })
      token.on("gone", ({ token: name, reason }) => console.log(name.length, reason.length))
      await once(token, "back")
      const key = await token.key("pkcs11:object=k")
      const signed: Buffer = await key.sign("ecdsa_secp256r1_sha256", Buffer.from("m"), { signal: AbortSignal.timeout(1) })
      const remote: SigningKey = { publicKey: createPublicKey("x"), sign: async () => new Uint8Array(signed) }
      const stream = connect({ key: remote, cert: "c", ca: ["a", Buffer.from("b")], host: "h", port: 1, ALPNProtocols: ["x"] })
      get("https://h", { agent: createAgent({ key, cert: "c" }) })
      undiciConnector({ key, cert: "c" })
      const cause: unknown = new TokenError("ERR_KEY_NOT_FOUND", "m").hint
      return stream.getPeerCertificate().subject.CN + (stream.getProtocol() ?? "") + String(cause)
    }
  `
  const actors = `
    import { Effect } from "effect"
    import { type Ask, start } from "tedge-actors"
    import { fakeToken, probe } from "tedge-actors/testing"
    export type LampProtocol = { readonly IsOn: Ask<void, boolean> }
    export const lamp = Effect.gen(function* () {
      const one = yield* probe<LampProtocol>({ name: "lamp", handlers: { IsOn: () => Effect.succeed(true) } })
      const mailbox = { capacity: 1, overflow: { policy: "block" } } as const
      const token = yield* start({ name: "token", mailbox, behaviour: fakeToken().behaviour })
      yield* token.ask("Ping", undefined, { within: "1 second" })
      return yield* one.ref.ask("IsOn", undefined, { within: "1 second" })
    })
  `
  const compile = async (settings: object, files: Readonly<Record<string, string>>, links: ReadonlyArray<string>) => {
    const dir = join(project.dir, "src")
    mkdirSync(dir, { recursive: true })
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text)
    for (const name of links) {
      const target = join(project.dir, "node_modules", name)
      mkdirSync(join(target, ".."), { recursive: true })
      if (!existsSync(target)) symlinkSync(join(root, "node_modules", name), target)
    }
    const compilerOptions = { target: "es2023", strict: true, noEmit: true, types: ["node"], ...settings }
    const config = join(project.dir, "tsconfig.json")
    writeFileSync(
      config,
      JSON.stringify({ compilerOptions, files: Object.keys(files).map((name) => join("src", name)) })
    )
    return run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", config], project.dir)
  }

  it.each([
    ["node16 as ES module", { module: "node16", moduleResolution: "node16" }, "a.mts"],
    ["node16 as CommonJS", { module: "node16", moduleResolution: "node16" }, "a.cts"],
    ["a bundler's resolution", { module: "esnext", moduleResolution: "bundler" }, "a.ts"]
  ])("compiles the library with %s, without Effect", async (_name, settings, file) => {
    expect(existsSync(join(project.dir, "node_modules/effect"))).toBe(false)
    expect(await compile(settings, { [file]: program }, ["@types/node", "undici-types"])).toMatchObject({
      out: "",
      code: 0
    })
  })

  it.each([
    ["node16", { module: "node16", moduleResolution: "node16" }],
    ["a bundler's resolution", { module: "esnext", moduleResolution: "bundler" }]
  ])("compiles the runtime and the helpers for tests with %s", async (_name, settings) => {
    const more = { skipLibCheck: true, lib: ["es2023"], ...settings }
    const links = ["@types/node", "undici-types", "effect", "rxjs", "tslib"]
    expect(await compile(more, { "b.mts": actors }, links)).toMatchObject({ out: "", code: 0 })
  })
})
