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
  parseRecord
} from "../../../src/actors/cryptoki/latch-record.ts"

const fresh = emptyRecord("pkcs11:token=t", "00112233445566778899aabbccddeeff")
const refuse = (record: LatchRecord, pin: string, configured?: string) =>
  afterRefusal(duringTry(record, { pin, configured }), { pin, configured }, "incorrect", 0)

describe("a PIN latch", () => {
  it("lets at most two PINs through, each once, whatever is asked in whatever order", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("1", "2", "3", "4"), { maxLength: 12 }), (pins) => {
        let record: LatchRecord | undefined
        const tried: Array<string> = []
        for (const pin of pins) {
          if (judge(record, { pin, configured: undefined }) !== "try") continue
          tried.push(pin)
          record = refuse(record ?? fresh, pin)
        }
        expect(tried.length).toBeLessThanOrEqual(2)
        expect(new Set(tried).size).toBe(tried.length)
      }),
      { numRuns: 50 }
    )
  })

  it("says which of the two rules forbids it", () => {
    const two = refuse(refuse(fresh, "1"), "2")
    expect(judge(two, { pin: "1", configured: undefined })).toBe("latched")
    expect(judge(two, { pin: "3", configured: undefined })).toBe("latchedAll")
  })

  it("opens for a PIN that is new in the settings, and not for the same setting again", () => {
    const two = refuse(refuse(fresh, "1", "1"), "2", "1")
    expect(judge(two, { pin: "3", configured: "3" })).toBe("try")
    expect(judge(two, { pin: "3", configured: "1" })).toBe("latchedAll")
    expect(judge(two, { pin: "1", configured: "1" })).toBe("latched")
    expect(judge(refuse(two, "3", "3"), { pin: "3", configured: "3" })).toBe("latched")
  })

  it("is not opened by two programs whose settings differ and who take turns", () => {
    let record: LatchRecord = fresh
    let tries = 0
    for (let turn = 0; turn < 10; turn++)
      for (const configured of ["1", "2"])
        if (judge(record, { pin: configured, configured }) === "try") {
          tries += 1
          record = refuse(record, configured, configured)
        }
    expect(tries).toBe(2)
  })

  it("is opened by re-insertion for the same PIN once, and never for a third try", () => {
    const once = afterReinsertion(refuse(fresh, "1"))
    expect(judge(once, { pin: "1", configured: undefined })).toBe("try")
    const twice = refuse(once, "1")
    expect(judge(afterReinsertion(twice), { pin: "1", configured: undefined })).toBe("latched")
    expect(judge(afterReinsertion(twice), { pin: "5", configured: undefined })).toBe("latchedAll")
  })

  it("counts a try whose end nobody saw, without blaming the PIN", () => {
    const unseen = duringTry(fresh, { pin: "1", configured: undefined })
    expect(judge(unseen, { pin: "1", configured: undefined })).toBe("try")
    expect(judge(duringTry(unseen, { pin: "1", configured: undefined }), { pin: "1", configured: undefined })).toBe(
      "latchedAll"
    )
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
