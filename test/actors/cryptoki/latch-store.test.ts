/** Where PIN latches lie, who may read them, and what happens where they cannot lie. */
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Redacted } from "effect"
import { describe, expect, it } from "vitest"
import { CallRefused } from "../../../src/actors/cryptoki/host-client.ts"
import { latchStore } from "../../../src/actors/cryptoki/latch-store.ts"
import { makePinLatch } from "../../../src/actors/cryptoki/pin-latch.ts"
import { tempDir } from "../../support/temp-dir.ts"

const token = { identity: "t", name: "t", uri: "pkcs11:token=t" }
const refused = Effect.fail(new CallRefused({ call: "C_Login", code: 0xa0, detail: "" }))
const guardOf = (directory: string, group?: number) => {
  const latch = makePinLatch(
    latchStore({ directory, group }),
    () => ({ pin: undefined, program: "tedge" }),
    () => Effect.void
  )
  return (pin: string) => Effect.runPromise(Effect.flip(latch.guard(token, Redacted.make(pin), refused)))
}

describe("the directory of PIN latches", () => {
  it("belongs to the service's group, its records are 0640, and other programs find them", async () => {
    const directory = join(tempDir(), "latches")
    const group = process.getgid?.() ?? 0
    expect(await guardOf(directory, group)("1")).toMatchObject({ reason: "incorrect" })
    expect(statSync(directory).mode & 0o7777).toBe(0o2770)
    const [record = ""] = readdirSync(directory).filter((name) => name.endsWith(".json"))
    expect(statSync(join(directory, record)).mode & 0o777).toBe(0o640)
    expect(await guardOf(directory, group)("1")).toMatchObject({ reason: "latched" })
  })

  it("with a record that is damaged lets nobody try", async () => {
    const directory = tempDir()
    await guardOf(directory)("1")
    const [record = ""] = readdirSync(directory).filter((name) => name.endsWith(".json"))
    writeFileSync(join(directory, record), "{")
    expect(await guardOf(directory)("2")).toMatchObject({ reason: "latchedAll" })
  })

  it("that cannot be made leaves each program its own latch", async () => {
    const directory = join(tempDir(), "file", "latches")
    writeFileSync(join(directory, ".."), "no directory")
    const guard = guardOf(directory)
    expect(await guard("1")).toMatchObject({ reason: "incorrect" })
    expect(await guard("1")).toMatchObject({ reason: "latched" })
    expect(await guardOf(directory)("1")).toMatchObject({ reason: "incorrect" })
  })

  it("with a record that cannot be read lets nobody try", async () => {
    const directory = tempDir()
    await guardOf(directory)("1")
    const [record = ""] = readdirSync(directory).filter((name) => name.endsWith(".json"))
    rmSync(join(directory, record))
    mkdirSync(join(directory, record))
    expect(await guardOf(directory)("2")).toMatchObject({ reason: "latchedAll" })
  })
})
