/** `openToken` on SoftHSM2: keys, signatures, events, errors, the end. */
import { constants, verify } from "node:crypto"
import { once } from "node:events"
import { inspect } from "node:util"
import { describe, expect, it, onTestFinished } from "vitest"
import { openToken } from "../../src/tls/open-token.ts"
import { TokenError } from "../../src/tls/token-error.ts"
import { serverPlace } from "../cli/services/p11-server/server-process.ts"
import { scriptedModule } from "../support/token/scripted-module.ts"
import { softhsmDirectory } from "../support/token/softhsm.ts"
import { caught, tokenPlace } from "./library-kit.ts"

const message = Buffer.from("what is signed")
const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }

describe("a token", () => {
  it("gives its keys with public halves, schemes and URIs that name them again", async () => {
    const { hsm, open } = tokenPlace()
    const ec = hsm.importKey({ label: "ec", id: "01" })
    const rsa = hsm.importKey({ label: "rsa", id: "02", kind: "rsa2048" })
    const token = open()
    const keys = await token.keys()
    expect(keys.map(({ publicKey }) => publicKey.export({ type: "spki", format: "pem" })).toSorted()).toEqual(
      [ec.publicKeyPem, rsa.publicKeyPem].toSorted()
    )
    const found = await token.key("pkcs11:object=rsa")
    expect(found.schemes).toEqual([
      "rsa_pss_rsae_sha256",
      "rsa_pss_rsae_sha384",
      "rsa_pss_rsae_sha512",
      "rsa_pkcs1_sha256",
      "rsa_pkcs1_sha384",
      "rsa_pkcs1_sha512"
    ])
    const again = await token.key(found.uri)
    const signature = await again.sign("rsa_pss_rsae_sha384", message)
    expect(verify("sha384", message, { key: again.publicKey, ...pss }, signature)).toBe(true)
  })

  it("signs with ECDSA in DER", async () => {
    const { hsm, open } = tokenPlace()
    hsm.importKey({ kind: "p384" })
    const key = await open().key()
    expect(key.schemes).toEqual(["ecdsa_secp384r1_sha384"])
    const signature = await key.sign("ecdsa_secp384r1_sha384", message)
    expect(verify("sha384", message, key.publicKey, signature)).toBe(true)
  })

  it("takes the key of a certificate where several match", async () => {
    const { hsm, pki, open } = tokenPlace()
    hsm.importKey({ label: "first", id: "01" })
    const second = hsm.importKey({ label: "second", id: "02" })
    const certificate = pki.issueFor(second.publicKeyPem, "second")
    const key = await open().key(undefined, { certificate })
    expect(key.uri).toContain("object=second")
  })

  it("does not guess between tokens when it lists keys", async () => {
    const { hsm, open } = tokenPlace()
    hsm.importKey()
    hsm.addToken({ label: "other" })
    const token = open()
    expect(await caught(token.keys())).toMatchObject({
      code: "ERR_TOKEN_AMBIGUOUS",
      hint: expect.stringContaining("other")
    })
    expect(await token.keys("pkcs11:token=my-token")).toHaveLength(1)
  })

  it("refuses with one class of errors, with a code and a hint, and no PIN in them", async () => {
    const { hsm, open } = tokenPlace()
    hsm.importKey()
    const wrong = open({ pin: "834761" })
    const failures = [
      await caught(wrong.key()),
      await caught(wrong.key()),
      await caught(open().key("pkcs11:object=none")),
      await caught(open().key("pkcs11:token=none")),
      await caught(open().key("object=x?pin-value=834761")),
      await caught(openToken({ module: "/nowhere/module.so" }).key()),
      await caught(openToken({ socket: "/nowhere/socket" }).key())
    ]
    expect(failures.map((error) => error instanceof TokenError && error.code)).toEqual([
      "ERR_PIN_REFUSED",
      "ERR_PIN_REFUSED",
      "ERR_KEY_NOT_FOUND",
      "ERR_TOKEN_NOT_FOUND",
      "ERR_URI_INVALID",
      "ERR_MODULE_NOT_LOADED",
      "ERR_SERVICE_UNREACHABLE"
    ])
    for (const error of failures) {
      expect((error as TokenError).hint).toBeTruthy()
      expect((error as TokenError).hint).not.toContain("tedge ")
    }
    expect(inspect([failures, wrong], { depth: 10, showHidden: true })).not.toContain("834761")
  })

  it("says at once what options it cannot take", () => {
    for (const options of [
      {},
      { module: "/a.so", socket: "/s" },
      { module: "relative.so" },
      { module: "/a.so", pin: "" }
    ])
      expect(() => openToken(options)).toThrow(expect.objectContaining({ code: "ERR_INVALID_OPTION" }))
  })

  it("ends a signature with a signal, and goes on", async () => {
    const { hsm, open } = tokenPlace()
    hsm.importKey()
    const scripted = scriptedModule(hsm.modulePath)
    onTestFinished(scripted.cleanup)
    const key = await open({ module: scripted.modulePath }).key()
    scripted.set({ C_Sign: { delayMs: 300, times: 1 } })
    const abort = new AbortController()
    const signing = caught(key.sign("ecdsa_secp256r1_sha256", message, { signal: abort.signal }))
    abort.abort(new Error("enough"))
    expect(await signing).toMatchObject({ name: "AbortError", code: "ABORT_ERR", cause: { message: "enough" } })
    expect(await key.sign("ecdsa_secp256r1_sha256", message)).toBeInstanceOf(Buffer)
  })

  it("says when it is gone, when it is back, and when it waits", async () => {
    const { hsm, open } = tokenPlace()
    hsm.importKey()
    const scripted = scriptedModule(hsm.modulePath)
    onTestFinished(scripted.cleanup)
    const token = open({ module: scripted.modulePath })
    const key = await token.key()
    const gone = once(token, "gone")
    const back = once(token, "back")
    scripted.unplug(hsm.label)
    expect(await caught(key.sign("ecdsa_secp256r1_sha256", message))).toMatchObject({ code: "ERR_TOKEN_UNAVAILABLE" })
    expect(await gone).toEqual([expect.objectContaining({ token: "my-token" })])
    scripted.plug(hsm.label)
    expect(await back).toEqual([{ token: "my-token" }])
    const waits = once(token, "waits")
    scripted.set({ C_Sign: { delayMs: 2500, times: 1 } })
    await key.sign("ecdsa_secp256r1_sha256", message)
    expect(await waits).toEqual([{ token: "my-token", forMs: 2000 }])
  })

  it("lets nothing out that is not the key's signature", async () => {
    const { hsm, open } = tokenPlace()
    hsm.importKey()
    const scripted = scriptedModule(hsm.modulePath)
    onTestFinished(scripted.cleanup)
    const key = await open({ module: scripted.modulePath }).key()
    scripted.set({ C_Sign: { signature: "corrupt" } })
    expect(await caught(key.sign("ecdsa_secp256r1_sha256", message))).toMatchObject({ code: "ERR_SIGNATURE_INVALID" })
  })

  it("tries a refused PIN again after clearLatch", async () => {
    const { hsm, open } = tokenPlace()
    hsm.importKey()
    expect(await caught(open({ pin: "834761" }).key())).toMatchObject({ code: "ERR_PIN_REFUSED" })
    const token = open()
    expect(await token.clearLatch()).toBe(true)
    expect((await token.key()).uri).toContain("my-key")
  })

  it("takes no more work once it is closed, and closes once", async () => {
    const { hsm, open } = tokenPlace()
    hsm.importKey()
    const token = open()
    const key = await token.key()
    await Promise.all([token.close(), token.close(), token[Symbol.asyncDispose]()])
    expect(await caught(key.sign("ecdsa_secp256r1_sha256", message))).toMatchObject({ code: "ERR_TOKEN_CLOSED" })
    expect(await caught(token.keys())).toMatchObject({ code: "ERR_TOKEN_CLOSED" })
  })

  it("may be closed before it was used", async () => {
    const { open } = tokenPlace()
    await open().close()
  })

  it("without a module that lists a token says so", async () => {
    const empty = softhsmDirectory()
    onTestFinished(empty.cleanup)
    const token = openToken({ module: empty.modulePath, environment: empty.env, latch: `${empty.dir}/latch` })
    onTestFinished(() => token.close())
    expect(await token.keys().catch(({ code }) => code)).toBe("ERR_TOKEN_NOT_FOUND")
  })
})

describe("a token behind tedge-p11-server", () => {
  it("signs, and is gone and back with the service", async () => {
    const place = serverPlace()
    const made = place.hsm.addToken({ label: "served" })
    made.importKey({ label: "served-key" })
    const server = place.start({ args: ["--pin", made.pin] })
    await server.logged("listening")
    const token = openToken({ socket: place.socketPath, latch: `${place.dir}/latch` })
    onTestFinished(() => token.close())
    const [key] = await token.keys()
    if (key === undefined) throw new Error("no key")
    expect(key.uri).toContain("object=served-key")
    const signature = await key.sign("ecdsa_secp256r1_sha256", message)
    expect(verify("sha256", message, key.publicKey, signature)).toBe(true)
    const gone = once(token, "gone")
    server.child.kill("SIGTERM")
    await server.ended
    expect(await caught(key.sign("ecdsa_secp256r1_sha256", message))).toMatchObject({ code: "ERR_SERVICE_UNREACHABLE" })
    expect(await gone).toHaveLength(1)
    const back = once(token, "back")
    await place.start({ args: ["--pin", made.pin] }).logged("listening")
    await key.sign("ecdsa_secp256r1_sha256", message)
    expect(await back).toHaveLength(1)
  })
})
