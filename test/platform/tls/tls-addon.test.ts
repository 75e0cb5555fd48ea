/** Loading the add-on where it cannot be, and calls in the wrong order: an error each, never a crash. */
import { execFileSync } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, afterEach, describe, expect, it } from "vitest"
import { AddonNotLoaded } from "../../../src/messages/platform.ts"
import { loadAddon } from "../../../src/platform/native/addon-file.ts"
import { pemCertificates } from "../../../src/platform/tls/device-certificate.ts"
import { type TlsAddon, type TlsConnection, type TlsSettings, tlsAddon } from "../../../src/platform/tls/tls-addon.ts"
import { clientChain } from "../../../src/platform/tls/tls-certificates.ts"
import { testDirectory, testPki } from "../../support/tls/pki.ts"

const root = join(import.meta.dirname, "../../..")
const addonDir = process.env.TEDGE_ADDON_DIR ?? join(root, "dist")
const dir = testDirectory()
const pki = testPki()
const previous = process.env.TEDGE_ADDON_DIR
afterEach(() => {
  if (previous === undefined) delete process.env.TEDGE_ADDON_DIR
  else process.env.TEDGE_ADDON_DIR = previous
})
afterAll(() => {
  rmSync(dir, { recursive: true, force: true })
  pki.remove()
})

const refusalIn = (directory: string): AddonNotLoaded => {
  process.env.TEDGE_ADDON_DIR = directory
  try {
    loadAddon("tls")
  } catch (error) {
    if (error instanceof AddonNotLoaded) return error
    throw error
  }
  throw new Error("loaded")
}

const fresh = (name: string) => {
  const directory = join(dir, name)
  mkdirSync(directory)
  return directory
}

describe("an add-on that cannot be loaded", () => {
  it("is missed by name", () => {
    expect(refusalIn(fresh("empty"))).toMatchObject({ addon: "tls", reason: "tls.node is missing" })
  })

  it("is explained by what the build wrote down", () => {
    const directory = fresh("not-built")
    const notes = "native/unix was not built: b\nnative/tls was not built: cc: not found\nsecond line\n"
    writeFileSync(join(directory, "addons.txt"), notes)
    expect(refusalIn(directory).reason).toBe("native/tls was not built: cc: not found\nsecond line")
  })

  it("is explained by the linker when it is no library", () => {
    const directory = fresh("rubbish")
    writeFileSync(join(directory, "tls.node"), "no library")
    expect(refusalIn(directory).reason).toMatch(/too short|invalid ELF header/)
  })

  it("names what this Node lacks", () => {
    const directory = fresh("lacking")
    const library = readFileSync(join(addonDir, "tls.node"))
    // Every mention of one symbol: in the list that is checked, and in the import that would be called.
    for (let at = library.indexOf("SSL_do_handshake\0"); at >= 0; at = library.indexOf("SSL_do_handshake\0"))
      library.write("SSL_do_handshakf", at)
    writeFileSync(join(directory, "tls.node"), library)
    expect(refusalIn(directory).reason).toBe("this Node does not offer SSL_do_handshakf")
  })
})

describe("the list of symbols that is checked at load", () => {
  it("is what the add-on imports", () => {
    const listed = readFileSync(join(root, "native/tls/symbols.c"), "utf8").matchAll(/"([A-Za-z0-9_]+)"/g)
    const imported = execFileSync("nm", ["-D", "--undefined-only", join(addonDir, "tls.node")], { encoding: "utf8" })
    const ours = /^(BIO|CRYPTO|ERR|EVP|OPENSSL|OSSL|OpenSSL|SSL|TLS|X509|d2i|i2d|napi)_/
    const names = [...imported.matchAll(/ U (\S+)$/gm)].map(([, name = ""]) => name).filter((name) => ours.test(name))
    expect([...listed].map(([, name]) => name).sort()).toEqual(names.sort())
  })
})

describe("the bare add-on", () => {
  const settings = (changes: Partial<Parameters<TlsAddon["settings"]>[0]> = {}) =>
    tlsAddon().settings({
      trusted: pemCertificates(pki.caPem),
      chain: clientChain(pki.deviceCertPem, undefined).certificates,
      minVersion: 0x0303,
      ...changes
    })
  const open = (changes: Partial<Parameters<TlsAddon["open"]>[1]> = {}, shared = settings()) =>
    tlsAddon().open(shared, {
      host: "localhost",
      ip: undefined,
      alpn: undefined,
      session: undefined,
      binding: undefined,
      sessionAge: 0,
      ...changes
    })

  it("refuses what is not a connection", () => {
    for (const what of [undefined, null, 7, "x", {}, [], Buffer.alloc(8)])
      for (const call of ["close", "advance", "read", "take", "failure"] as const)
        expect(() => tlsAddon()[call](what as unknown as TlsConnection)).toThrow(TypeError)
  })

  it("refuses what are no settings", () => {
    const connection = open()
    for (const what of [null, 7, "x", {}, [], Buffer.alloc(8), connection])
      expect(() => open({}, what as unknown as TlsSettings)).toThrow(TypeError)
    tlsAddon().close(connection)
    for (const what of [undefined, null, 7, {}, { trusted: [7], chain: [] }])
      expect(() => tlsAddon().settings(what as unknown as Parameters<TlsAddon["settings"]>[0])).toThrow(Error)
  })

  it("refuses a connection that is closed", () => {
    const connection = open()
    tlsAddon().close(connection)
    for (const call of ["close", "advance", "read", "take", "failure", "signatureRequest"] as const)
      expect(() => tlsAddon()[call](connection)).toThrow("closed")
    expect(tlsAddon().connections()).toBe(0)
  })

  it.each([
    ["trust nothing", { trusted: [] }],
    ["have no certificate", { chain: [] }],
    ["have a certificate that is none", { chain: [Buffer.from("x")] }],
    ["want a version that does not exist", { minVersion: 0x0999 }]
  ])("makes no settings that %s", (_what, changes) => {
    const before = tlsAddon().settingsKept()
    expect(() => settings(changes)).toThrow(Error)
    expect(tlsAddon().settingsKept()).toBe(before)
  })

  it.each([
    ["names neither host nor address", { host: undefined }],
    ["names an address that is none", { host: undefined, ip: "1.2.3" }],
    ["offers a malformed protocol list", { alpn: Buffer.from([9, 1]) }]
  ])("opens no connection that %s", (_what, changes) => {
    expect(() => open(changes)).toThrow(Error)
    expect(tlsAddon().connections()).toBe(0)
  })

  it("takes wrong types for nothing", () => {
    const connection = open()
    expect(() => tlsAddon().feed(connection, "text" as unknown as Buffer)).toThrow("not taken")
    expect(tlsAddon().write(connection, {} as unknown as Buffer)).toBe(false)
    expect(tlsAddon().signatureRequest(connection)).toBe(undefined)
    expect(tlsAddon().answerSignature(connection, Buffer.from("nobody asked"))).toBe(undefined)
    expect(tlsAddon().advance(connection)).toBe("read")
    tlsAddon().close(connection)
  })

  it("begins with a ClientHello that names the host and the protocols", () => {
    const connection = open({ alpn: Buffer.from("\x04mqtt") })
    expect(tlsAddon().advance(connection)).toBe("read")
    const hello = tlsAddon().take(connection)?.toString("latin1") ?? ""
    expect(hello.charCodeAt(0)).toBe(22)
    expect(hello).toContain("localhost")
    expect(hello).toContain("\x04mqtt")
    expect(tlsAddon().take(connection)).toBe(undefined)
    tlsAddon().close(connection)
  })

  it("frees what was not closed", async () => {
    const script =
      `const m = { exports: {} }; process.dlopen(m, ${JSON.stringify(join(addonDir, "tls.node"))}); const tls = m.exports;` +
      "const [trusted, chain] = JSON.parse(require('node:fs').readFileSync(0, 'utf8'))" +
      ".map((list) => list.map((text) => Buffer.from(text, 'base64')));" +
      "for (let i = 0; i < 50; i++) tls.open(tls.settings({ trusted, chain, minVersion: 771 }), { host: 'localhost' });" +
      "const held = () => [tls.connections(), tls.settingsKept()].join(' ');" +
      "const before = held(); gc();" +
      "setTimeout(() => { gc(); setTimeout(() => console.log(before, held()), 10) }, 10)"
    const input = JSON.stringify([
      pemCertificates(pki.caPem).map((der) => der.toString("base64")),
      pemCertificates(pki.deviceCertPem).map((der) => der.toString("base64"))
    ])
    const said = execFileSync(process.execPath, ["--expose-gc", "-e", script], { input, encoding: "utf8" })
    expect(said.trim()).toBe("50 50 0 0")
  })
})
