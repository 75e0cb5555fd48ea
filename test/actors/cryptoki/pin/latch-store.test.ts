/** Where PIN latches lie, who may read them, and what happens where they cannot lie. */
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { Effect, Redacted } from "effect"
import { describe, expect, it } from "vitest"
import { CallRefused, HostDied, type HostFault } from "../../../../src/actors/cryptoki/host/faults.ts"
import { latchStore } from "../../../../src/actors/cryptoki/pin/latch-store.ts"
import { makePinLatch } from "../../../../src/actors/cryptoki/pin/pin-latch.ts"
import type { CryptokiEvent } from "../../../../src/messages/cryptoki.ts"
import { acquireFileLock } from "../../../../src/platform/files/file-lock.ts"
import { tempDir } from "../../../support/temp-dir.ts"

const token = { identity: "t", name: "t", uri: "pkcs11:token=t" }
const refused = Effect.fail(new CallRefused({ call: "C_Login", code: 0xa0, detail: "" }))
const latchOf = (directory: string, owner?: { uid: number; gid: number }, configured?: string) => {
  const events: Array<CryptokiEvent> = []
  const latch = makePinLatch(
    latchStore({ directory, owner }),
    () => ({ pin: configured === undefined ? undefined : Redacted.make(configured), program: "tedge" }),
    (event) => Effect.sync(() => void events.push(event))
  )
  const guard = (pin: string, login: Effect.Effect<unknown, HostFault> = refused) =>
    latch.guard(token, Redacted.make(pin), { login })
  return { latch, events, guard, refuse: (pin: string) => Effect.runPromise(Effect.flip(guard(pin))) }
}
const recordIn = (directory: string) =>
  join(directory, readdirSync(directory).find((name) => name.endsWith(".json")) ?? "none")
const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8)

describe("the directory of PIN latches", () => {
  it("is for its owner to write; records are 0640, their key and locks 0600", async () => {
    const directory = join(tempDir(), "latches")
    expect(await latchOf(directory).refuse("1")).toMatchObject({ reason: "incorrect" })
    const record = recordIn(directory)
    const modes = [directory, record, `${record}.lock`, join(directory, "key")].map(modeOf)
    expect(modes).toEqual(["750", "640", "600", "600"])
    expect(await latchOf(directory).refuse("1")).toMatchObject({ reason: "latched" })
  })

  it.runIf(process.getuid?.() === 0)("belongs to the service's user when root makes it", async () => {
    const directory = join(tempDir(), "latches")
    await latchOf(directory, { uid: 4711, gid: 4712 }).refuse("1")
    for (const path of [directory, recordIn(directory), `${recordIn(directory)}.lock`, join(directory, "key")])
      expect([statSync(path).uid, statSync(path).gid]).toEqual([4711, 4712])
  })

  it("that its group may write, as an earlier version made it, is closed", async () => {
    const directory = join(tempDir(), "latches")
    mkdirSync(directory)
    chmodSync(directory, 0o2770)
    await latchOf(directory).refuse("1")
    expect(modeOf(directory)).toBe("750")
  })

  it.runIf(process.getuid?.() === 0)(
    "that root made for the service's group, as tmpfiles.d does, stays as it is",
    async () => {
      const directory = join(tempDir(), "latches")
      mkdirSync(directory)
      chownSync(directory, 0, 4712)
      chmodSync(directory, 0o2770)
      await latchOf(directory, { uid: 4711, gid: 4712 }).refuse("1")
      const { uid, gid } = statSync(directory)
      expect([modeOf(directory), uid, gid]).toEqual(["2770", 0, 4712])
      const record = statSync(recordIn(directory))
      expect([record.uid, record.gid]).toEqual([4711, 4712])
    }
  )

  it("holds nothing from which a PIN could be found without the key", async () => {
    const directory = tempDir()
    await latchOf(directory, undefined, "123456").refuse("999999")
    const text = readFileSync(recordIn(directory), "utf8")
    expect(text).not.toMatch(/999999|123456|salt/)
    const marks = text.match(/[0-9a-f]{64}/g) ?? []
    expect(new Set(marks).size).toBe(2)
    // The same PINs with another key have other marks.
    rmSync(recordIn(directory))
    rmSync(join(directory, "key"))
    await latchOf(directory, undefined, "123456").refuse("999999")
    for (const mark of marks) expect(readFileSync(recordIn(directory), "utf8")).not.toContain(mark)
  })

  it("whose key was lost keeps its counts", async () => {
    const directory = tempDir()
    await latchOf(directory).refuse("1")
    writeFileSync(join(directory, "key"), "short")
    expect(await latchOf(directory).refuse("1")).toMatchObject({ reason: "incorrect" })
    expect(await latchOf(directory).refuse("2")).toMatchObject({ reason: "latchedAll" })
    expect(readFileSync(join(directory, "key"))).toHaveLength(64)
  })

  it.each([
    ["damaged", "{", "recordUnreadable"],
    ["of a newer version", '{"version":3,"refused":"elsewhere"}', "recordNewer"]
  ])("with a record that is %s allows no attempt, reports it, and keeps it", async (_, text, reason) => {
    const directory = tempDir()
    await latchOf(directory).refuse("1")
    writeFileSync(recordIn(directory), text)
    expect(await latchOf(directory).refuse("2")).toMatchObject({ reason, detail: recordIn(directory) })
    expect(readFileSync(recordIn(directory), "utf8")).toBe(text)
  })

  it("with a record that cannot be read, or is a symlink, allows no attempt", async () => {
    const directory = tempDir()
    await latchOf(directory).refuse("1")
    const record = recordIn(directory)
    rmSync(record)
    mkdirSync(record)
    expect(await latchOf(directory).refuse("2")).toMatchObject({ reason: "recordUnreadable" })
    rmSync(record, { recursive: true })
    const other = join(tempDir(), "other")
    writeFileSync(other, "")
    symlinkSync(other, record)
    expect(await latchOf(directory).refuse("2")).toMatchObject({ reason: "recordUnreadable" })
    expect(readFileSync(other, "utf8")).toBe("")
  })

  it("with a record of the first version knows how many PINs were refused, and no hash is left", async () => {
    const directory = tempDir()
    await latchOf(directory).refuse("1")
    const refusals = ["aa", "bb"].map((hash) => ({ hash, reason: "incorrect", at: 1 }))
    const old = {
      token: "t",
      salt: "00ff",
      refused: refusals,
      tries: 2,
      settings: { tedge: "cc" },
      isReinserted: false
    }
    writeFileSync(recordIn(directory), JSON.stringify(old))
    expect(await latchOf(directory).refuse("3")).toMatchObject({ reason: "latchedAll" })
    expect(readFileSync(recordIn(directory), "utf8")).not.toMatch(/00ff|"aa"|"cc"/)
  })

  it("that cannot be created leaves each program its own latch, and that is reported once", async () => {
    const directory = join(tempDir(), "file", "latches")
    writeFileSync(join(directory, ".."), "no directory")
    const { refuse, events } = latchOf(directory)
    expect(await refuse("1")).toMatchObject({ reason: "incorrect" })
    expect(await refuse("1")).toMatchObject({ reason: "latched" })
    expect(await refuse("2")).toMatchObject({ reason: "incorrect" })
    expect(events.filter(({ _tag }) => _tag === "LatchNotKept")).toEqual([
      { _tag: "LatchNotKept", directory, code: "ENOTDIR" }
    ])
    expect(await latchOf(directory).refuse("1")).toMatchObject({ reason: "incorrect" })
  })

  it("whose lock another process holds is reported as such", async () => {
    const directory = tempDir()
    await latchOf(directory).refuse("1")
    const lock = `${recordIn(directory)}.lock`
    let logins = 0
    const login = Effect.sync(() => void logins++)
    await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          yield* acquireFileLock(lock)
          const waiting = yield* Effect.timeoutOption(latchOf(directory).guard("2", login), "500 millis")
          expect([waiting._tag, logins]).toEqual(["None", 0])
        })
      )
    )
    await Effect.runPromise(latchOf(directory).guard("2", login))
    expect(logins).toBe(1)
  })
})

describe("a login", () => {
  const general = Effect.fail(new CallRefused({ call: "C_Login", code: 5, detail: "" }))

  it("without a verdict is reported with its code, and the next waits", async () => {
    const directory = tempDir()
    const { guard, events } = latchOf(directory)
    await Effect.runPromise(guard("1", Effect.succeed(true)))
    expect(await Effect.runPromise(Effect.flip(guard("1", general)))).toMatchObject({ _tag: "CallRefused", code: 5 })
    const since = performance.now()
    await Effect.runPromise(guard("1", Effect.succeed(true)))
    expect(performance.now() - since).toBeGreaterThan(900)
    expect(events).toEqual([
      { _tag: "LoginUnanswered", token: "t", detail: "C_Login returned CKR_GENERAL_ERROR", retryInMs: 1000 }
    ])
    expect(readdirSync(directory).filter((name) => name.endsWith(".json"))).toEqual([])
  })

  it("that was cut off twice by the end of its process says nothing of refused PINs", async () => {
    const directory = tempDir()
    const { guard } = latchOf(directory)
    const died = Effect.fail(new HostDied({ call: "login", signal: "SIGKILL", detail: "" }))
    await Effect.runPromise(Effect.flip(guard("1", died)))
    await Effect.runPromise(Effect.flip(guard("1", died)))
    expect(await Effect.runPromise(Effect.flip(guard("1", died)))).toMatchObject({
      _tag: "PinRejected",
      reason: "unanswered",
      detail: "the module ended in C_Login (SIGKILL)"
    })
  })

  it("is made ten times a minute at most", async () => {
    const { guard } = latchOf(tempDir())
    let logins = 0
    const login = Effect.sync(() => ++logins)
    for (let n = 0; n < 10; n++) await Effect.runPromise(guard("1", login))
    expect(await Effect.runPromise(Effect.flip(guard("1", login)))).toMatchObject({ reason: "tooOften" })
    expect(logins).toBe(10)
  })
})
