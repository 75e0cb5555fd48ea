/** What follows from refused PINs and from logins without an answer. In whatever order, no PIN of ours locks a token. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { parseProof, parseRecord } from "../../../../src/actors/cryptoki/pin/latch-notes.ts"
import {
  afterRefusal,
  afterReinsertion,
  afterUnknown,
  duringTry,
  emptyRecord,
  judge,
  type LatchRecord,
  type PinTry,
  pauseAfter,
  withKey,
  withPausesAnew
} from "../../../../src/actors/cryptoki/pin/latch-record.ts"

const at = (bootMs: number, bootId = "b") => ({ bootId, bootMs })
const fresh = emptyRecord("pkcs11:token=t", "key")
const trial = (mark: string, more: Partial<PinTry> = {}): PinTry => ({
  mark,
  configured: "",
  program: "tedge",
  proven: undefined,
  client: undefined,
  isTyped: false,
  mayLock: true,
  showsFlags: false,
  isCountLow: false,
  ...more
})
const by = (client: string, more: Partial<PinTry> = {}) => ({ client, ...more })
const refuse = (record: LatchRecord, mark: string, more: Partial<PinTry> = {}) =>
  afterRefusal(record, trial(mark, more), "incorrect", 0)
const unanswered = (record: LatchRecord, mark: string, more: Partial<PinTry> = {}, now = at(0)) =>
  afterUnknown(record, trial(mark, more), "C_Login returned CKR_GENERAL_ERROR", now)
const word = (record: LatchRecord | undefined, attempt: PinTry, now = at(1e9)): string => {
  const verdict = judge(record, attempt, now)
  return verdict.kind === "refuse" ? verdict.reason : verdict.kind
}

describe("a refused PIN", () => {
  it("lets at most two PINs through, each once, whatever is asked in whatever order", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("1", "2", "3", "4"), { maxLength: 12 }), (pins) => {
        let record: LatchRecord | undefined
        const tried: Array<string> = []
        for (const pin of pins) {
          if (word(record, trial(pin)) !== "try") continue
          tried.push(pin)
          record = refuse(record ?? fresh, pin)
        }
        expect(tried.length).toBeLessThanOrEqual(2)
        expect(new Set(tried).size).toBe(tried.length)
      })
    )
  })

  it("leaves one of the two tries to the configured PIN, and says which rule forbids another", () => {
    const own = { configured: "own" }
    const guessed = refuse(fresh, "1", own)
    expect(word(guessed, trial("1", own))).toBe("latched")
    expect(word(guessed, trial("2", own))).toBe("reserved")
    expect(word(guessed, trial("own", own))).toBe("try")
    expect(word(guessed, trial("2"))).toBe("try")
    expect(word(refuse(guessed, "own", own), trial("2", own))).toBe("latchedAll")
  })

  it("leaves it to the PIN that succeeded last, be it another", () => {
    const more = { configured: "stale", proven: "right" }
    const guessed = refuse(fresh, "1", more)
    expect(word(guessed, trial("stale", more))).toBe("reserved")
    expect(word(guessed, trial("right", more))).toBe("try")
    expect(word(refuse(guessed, "right", more), trial("stale", more))).toBe("latchedAll")
  })

  it("that a person mistyped does not keep out the right one for a configured one", () => {
    const typed = { configured: "stale", isTyped: true }
    expect(word(refuse(fresh, "mistyped", typed), trial("right", typed))).toBe("try")
  })

  it("is opened by a new PIN in the settings, and not by the same setting, nor by programs that take turns", () => {
    const two = refuse(refuse(fresh, "1", { configured: "1" }), "2", { configured: "1" })
    expect(word(two, trial("3", { configured: "3" }))).toBe("try")
    expect(word(two, trial("3", { configured: "1" }))).toBe("latchedAll")
    expect(word(two, trial("1", { configured: "1" }))).toBe("latched")
    let record: LatchRecord = fresh
    let tries = 0
    for (let turn = 0; turn < 12; turn++) {
      const pin = String(turn % 4)
      const attempt = { configured: pin, program: pin }
      if (word(record, trial(pin, attempt)) !== "try") continue
      tries += 1
      record = refuse(record, pin, attempt)
    }
    expect(tries).toBe(2)
  })

  it("may be tried once more after re-insertion, once, and there is never a third try", () => {
    const once = afterReinsertion(refuse(fresh, "1"))
    expect(word(once, trial("1"))).toBe("try")
    const twice = afterReinsertion(refuse(once, "1"))
    expect(word(twice, trial("1"))).toBe("latched")
    expect(word(twice, trial("5"))).toBe("latchedAll")
  })
})

describe("clients of the signing service", () => {
  it("have one try each, and two in all: another's wrong PIN does not keep out a client with a right one", () => {
    const one = refuse(fresh, "1", by("1001"))
    expect(word(one, trial("2", by("1001")))).toBe("clientTried")
    expect(word(one, trial("right", by("1002")))).toBe("try")
    const two = refuse(one, "2", by("1002"))
    expect(word(two, trial("right", by("1003")))).toBe("latchedAll")
  })

  it("never use the attempt reserved for the PIN that last succeeded", () => {
    const proven = { proven: "right" }
    const one = refuse(fresh, "1", by("1001", proven))
    expect(word(one, trial("2", by("1002", proven)))).toBe("reserved")
    expect(word(one, trial("right", by("1001", proven)))).toBe("try")
    expect(word(one, trial("right", by("1002", proven)))).toBe("try")
  })

  it("do not keep out root and the service itself", () => {
    const two = refuse(refuse(fresh, "1", by("1001")), "2", by("1002"))
    expect(word(two, trial("own"))).toBe("try")
    expect(word(two, trial("own", { configured: "own" }))).toBe("try")
  })

  it("of any number get two wrong PINs to a token, in every order, and the right one always in", () => {
    const step = fc.record({
      client: fc.constantFrom("1001", "1002", "1003", "1004"),
      pin: fc.constantFrom("1", "2", "3", "4", "5"),
      isUnanswered: fc.boolean(),
      isReplugged: fc.boolean()
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), fc.boolean(), (steps, isProven) => {
        const proven = isProven ? "right" : undefined
        let record: LatchRecord = fresh
        let tries = 0
        for (const { client, pin, isUnanswered, isReplugged } of steps) {
          if (isReplugged) record = afterReinsertion(record)
          if (word(record, trial(pin, { client, proven })) !== "try") continue
          tries += 1
          record = (isUnanswered ? unanswered : refuse)(record, pin, { client, proven })
        }
        expect(tries).toBeLessThanOrEqual(2)
        if (isProven) expect(word(record, trial("right", { client: "1001", proven }))).toBe("try")
      })
    )
  })
})

describe("a login without an answer", () => {
  it("is followed by another after 1 s, 2 s, 4 s … 5 min, for a PIN that has succeeded", () => {
    const proven = { proven: "right" }
    let record: LatchRecord = fresh
    for (let count = 1; count <= 12; count++) {
      record = unanswered(record, "right", proven, at(1000))
      const pause = Math.min(1000 * 2 ** (count - 1), 300_000)
      expect(judge(record, trial("right", proven), at(1000))).toMatchObject({ kind: "wait", ms: pause })
      expect(judge(record, trial("right", proven), at(999 + pause))).toMatchObject({ kind: "wait", ms: 1 })
      expect(word(record, trial("right", proven), at(1000 + pause))).toBe("try")
    }
    expect(pauseAfter(500)).toBe(300_000)
  })

  it("is followed by none while the token shows that it counted a wrong PIN", () => {
    const record = unanswered(fresh, "right", { proven: "right" })
    expect(word(record, trial("right", { proven: "right", isCountLow: true }))).toBe("countLow")
    expect(word(fresh, trial("right", { isCountLow: true }))).toBe("try")
    expect(word(record, trial("right", { proven: "right", isCountLow: true, mayLock: false }))).toBe("try")
  })

  it("happens twice at most to PINs that never succeeded, on a token that may lock and shows no flags", () => {
    const one = unanswered(fresh, "1")
    expect(judge(one, trial("1"), at(0))).toMatchObject({ kind: "wait", ms: 1000 })
    expect(word(one, trial("1"))).toBe("try")
    expect(word(unanswered(one, "1"), trial("1"))).toBe("unanswered")
    expect(word(refuse(one, "2"), trial("1"))).toBe("unanswered")
    expect(word(unanswered(one, "1"), trial("1", { showsFlags: true }))).toBe("try")
    expect(word(unanswered(one, "1"), trial("1", { mayLock: false }))).toBe("try")
  })

  it("goes with a new setting", () => {
    const own = { configured: "1" }
    const two = unanswered(unanswered(fresh, "1", own), "1", own)
    expect(word(two, trial("1", own))).toBe("unanswered")
    expect(word(two, trial("2", { configured: "2" }))).toBe("try")
  })

  it("of a wrong PIN never locks a token that says CKR_GENERAL_ERROR to it: at most two tries of what never succeeded", () => {
    const pins = fc.array(fc.constantFrom("1", "2", "3"), { maxLength: 15 })
    fc.assert(
      fc.property(pins, fc.boolean(), (tried, isReplugged) => {
        let record: LatchRecord = fresh
        let tries = 0
        for (const pin of tried) {
          if (isReplugged) record = afterReinsertion(record)
          if (word(record, trial(pin)) !== "try") continue
          tries += 1
          record = unanswered(record, pin)
        }
        expect(tries).toBeLessThanOrEqual(2)
      })
    )
  })

  it("is what a try is whose end this process does not live to see", () => {
    const record = duringTry(fresh, trial("1"), at(0))
    expect(record.refused).toEqual([])
    expect(judge(record, trial("1"), at(0))).toEqual({ kind: "wait", ms: 1000, detail: "the process ended in C_Login" })
  })

  it("has its pause anew after another boot, and when its moment lies ahead", () => {
    const record = unanswered(fresh, "1", { proven: "1" }, at(5_000))
    const judged = (now: ReturnType<typeof at>) => judge(withPausesAnew(record, now), trial("1", { proven: "1" }), now)
    expect(judged(at(5_900))).toMatchObject({ ms: 100 })
    expect(judged(at(9_000, "c"))).toMatchObject({ ms: 1000 })
    expect(judged(at(4_000))).toMatchObject({ ms: 1000 })
    expect(withPausesAnew(record, at(6_000))).toBe(record)
  })
})

describe("the record of a latch", () => {
  const record = unanswered(refuse(refuse(fresh, "1"), "2", { configured: "9" }), "3", by("1001"))

  it("is read back as it was written, and nothing else is taken for one", () => {
    const text = JSON.stringify(record)
    expect(parseRecord(text, "key")).toEqual({ kind: "record", record })
    for (let length = 0; length < text.length; length++)
      expect(parseRecord(text.slice(0, length), "key").kind).toBe("unreadable")
    for (const other of ["", "null", "[]", "{}", '{"tries":1}', '{"version":2}', '{"version":"2"}'])
      expect(parseRecord(other, "key").kind).toBe("unreadable")
    expect(parseProof("{")).toBeUndefined()
  })

  it("of a newer version is known for that", () => {
    expect(parseRecord(JSON.stringify({ ...record, version: 3 }), "key")).toEqual({ kind: "newer" })
    expect(parseRecord('{"version":99}', "key")).toEqual({ kind: "newer" })
  })

  it("of the first version keeps its number of refused PINs, not their hashes or attempts that were not refused", () => {
    const old = { token: "t", salt: "00", refused: [{ hash: "ab", reason: "incorrect", at: 1 }], settings: { p: "cd" } }
    const read = parseRecord(JSON.stringify({ ...old, tries: 2, isReinserted: true }), "key")
    const expected = { ...emptyRecord("t", "key"), tries: { own: 1, clients: {} }, isReinserted: true }
    expect(read).toEqual({ kind: "record", isOld: true, record: expected })
    const unseen = parseRecord(JSON.stringify({ ...old, refused: [], tries: 2, isReinserted: false }), "key")
    expect(unseen).toMatchObject({ record: { tries: { own: 0 } } })
  })

  it("proves nothing with another key, but its counts stand", () => {
    const other = withKey(refuse(fresh, "1"), "another")
    expect(other).toMatchObject({ keyId: "another", refused: [], tries: { own: 1 } })
    expect(word(refuse(other, "1"), trial("2"))).toBe("latchedAll")
  })
})
