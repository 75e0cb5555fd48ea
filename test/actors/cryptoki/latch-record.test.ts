/** What follows from refused PINs. Whatever is tried in whatever order, a token is not locked by us. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  afterRefusal,
  afterReinsertion,
  duringTry,
  emptyRecord,
  judge,
  type LatchRecord,
  type PinTry,
  parseRecord
} from "../../../src/actors/cryptoki/latch-record.ts"

const fresh = emptyRecord("pkcs11:token=t", "00112233445566778899aabbccddeeff")
const trial = (pin: string, configured?: string, program = "tedge"): PinTry => ({ pin, configured, program })
const refuse = (record: LatchRecord, pin: string, configured?: string, program?: string) => {
  const attempt = trial(pin, configured, program)
  return afterRefusal(duringTry(record, attempt), attempt, "incorrect", 0)
}

describe("a PIN latch", () => {
  it("lets at most two PINs through, each once, whatever is asked in whatever order", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("1", "2", "3", "4"), { maxLength: 12 }), (pins) => {
        let record: LatchRecord | undefined
        const tried: Array<string> = []
        for (const pin of pins) {
          if (judge(record, trial(pin)) !== "try") continue
          tried.push(pin)
          record = refuse(record ?? fresh, pin)
        }
        expect(tried.length).toBeLessThanOrEqual(2)
        expect(new Set(tried).size).toBe(tried.length)
      }),
      { numRuns: 50 }
    )
  })

  it("keeps one of the two tries for the configured PIN, in every order and with tries whose end nobody saw", () => {
    const step = fc.record({
      pin: fc.constantFrom("1", "2", "3", "own"),
      ends: fc.constantFrom("refused", "refused", "unseen"),
      isReplugged: fc.boolean()
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 10 }), (steps) => {
        let record: LatchRecord = fresh
        const tried: Array<string> = []
        for (const { pin, ends, isReplugged } of steps) {
          if (isReplugged) record = afterReinsertion(record)
          if (judge(record, trial(pin, "own")) !== "try") continue
          tried.push(pin)
          record = ends === "refused" ? refuse(record, pin, "own") : duringTry(record, trial(pin, "own"))
        }
        expect(tried.length).toBeLessThanOrEqual(2)
        if (!tried.includes("own")) expect(judge(record, trial("own", "own"))).toBe("try")
      }),
      { numRuns: 30 }
    )
  })

  it("gives the last try to another PIN once the configured one was refused", () => {
    const guessed = refuse(fresh, "1", "own")
    expect(judge(guessed, trial("2", "own"))).toBe("reserved")
    expect(judge(guessed, trial("own", "own"))).toBe("try")
    expect(judge(guessed, trial("2"))).toBe("try")
    expect(judge(refuse(fresh, "own", "own"), trial("2", "own"))).toBe("try")
    expect(judge(refuse(guessed, "own", "own"), trial("2", "own"))).toBe("latchedAll")
  })

  it("says which of the two rules forbids it", () => {
    const two = refuse(refuse(fresh, "1"), "2")
    expect(judge(two, trial("1"))).toBe("latched")
    expect(judge(two, trial("3"))).toBe("latchedAll")
  })

  it("opens for a PIN that is new in the settings, and not for the same setting again", () => {
    const two = refuse(refuse(fresh, "1", "1"), "2", "1")
    expect(judge(two, trial("3", "3"))).toBe("try")
    expect(judge(two, trial("3", "1"))).toBe("latchedAll")
    expect(judge(two, trial("1", "1"))).toBe("latched")
    expect(judge(refuse(two, "3", "3"), trial("3", "3"))).toBe("latched")
  })

  it("is not opened by two programs whose settings differ and who take turns", () => {
    let record: LatchRecord = fresh
    let tries = 0
    for (let turn = 0; turn < 10; turn++)
      for (const configured of ["1", "2"])
        if (judge(record, trial(configured, configured)) === "try") {
          tries += 1
          record = refuse(record, configured, configured)
        }
    expect(tries).toBe(2)
  })

  it("is not opened by any number of programs with settings of their own, until one of them is corrected", () => {
    let record: LatchRecord = fresh
    const tries: Array<string> = []
    const take = (pin: string, program: string) => {
      if (judge(record, trial(pin, pin, program)) !== "try") return
      tries.push(pin)
      record = refuse(record, pin, pin, program)
    }
    for (let turn = 0; turn < 3; turn++)
      for (const [pin, program] of [
        ["1", "tedge"],
        ["2", "server"],
        ["3", "another"],
        ["4", "and another"]
      ] as const)
        take(pin, program)
    expect(tries).toEqual(["1", "2"])
    take("5", "server")
    expect(tries).toEqual(["1", "2", "5"])
  })

  it("is opened by re-insertion for the same PIN once, and never for a third try", () => {
    const once = afterReinsertion(refuse(fresh, "1"))
    expect(judge(once, trial("1"))).toBe("try")
    const twice = refuse(once, "1")
    expect(judge(afterReinsertion(twice), trial("1"))).toBe("latched")
    expect(judge(afterReinsertion(twice), trial("5"))).toBe("latchedAll")
  })

  it("counts a try whose end nobody saw, without blaming the PIN", () => {
    const unseen = duringTry(fresh, trial("1"))
    expect(judge(unseen, trial("1"))).toBe("try")
    expect(judge(duringTry(unseen, trial("1")), trial("1"))).toBe("latchedAll")
  })

  it("is read back as it was written, and nothing else is taken for one", () => {
    const record = refuse(refuse(fresh, "1"), "2", "9")
    expect(parseRecord(JSON.stringify(record))).toEqual(record)
    const text = JSON.stringify(record)
    for (let length = 0; length < text.length; length++) expect(parseRecord(text.slice(0, length))).toBeUndefined()
    for (const other of ["", "null", "[]", "{}", '{"tries":1}']) expect(parseRecord(other)).toBeUndefined()
  })

  it("holds no PIN", () => {
    expect(JSON.stringify(refuse(fresh, "31415926", "31415926"))).not.toContain("31415926")
  })
})
