/** The SoftHSM2 kit itself: other tests rely on what it says about its tokens. */
import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type SoftHsmDirectory, softhsmDirectory } from "./softhsm.ts"

let directory: SoftHsmDirectory

beforeAll(() => {
  directory = softhsmDirectory()
})
afterAll(() => directory.cleanup())

const p11tool = (...args: ReadonlyArray<string>): string =>
  execFileSync("p11tool", ["--provider", directory.modulePath, ...args], {
    env: { ...process.env, ...directory.env },
    stdio: ["ignore", "pipe", "ignore"]
  }).toString()

describe("the SoftHSM2 kit", () => {
  it("makes several tokens another program sees by label and serial", () => {
    const one = directory.addToken({ label: "one" })
    const two = directory.addToken({ label: "two", pin: "abcdef" })
    const urls = p11tool("--list-token-urls")
    expect(urls).toContain(`serial=${one.serial};token=one`)
    expect(urls).toContain(`serial=${two.serial};token=two`)
  })

  it.each(["p256", "p384", "rsa2048"] as const)("imports a %s key whose public half it knows", (kind) => {
    const token = directory.addToken({ label: `import-${kind}` })
    const key = token.importKey({ kind, id: "0a0b", label: "imported" })
    expect(token.publicKeyPem("0a0b")).toBe(key.publicKeyPem)
    token.deleteKey("0a0b")
    expect(() => token.publicKeyPem("0a0b")).toThrow()
  })

  it("lets the token make a key and reads its public half", () => {
    const key = directory.addToken({ label: "generates" }).generateKey({ id: "07" })
    expect(key.publicKeyPem).toContain("BEGIN PUBLIC KEY")
  })

  it("erases a token", () => {
    directory.addToken({ label: "short-lived" }).erase()
    expect(p11tool("--list-token-urls")).not.toContain("short-lived")
  })

  it("leaves nothing behind", () => {
    const other = softhsmDirectory()
    other.addToken()
    other.cleanup()
    expect(existsSync(other.dir)).toBe(false)
  })
})
