/** What is tried again after a fault, as the table of retry-policy.ts says. */
import { describe, expect, it } from "vitest"
import { CallRefused, CallTimedOut, HostDied, HostEnded } from "../../../../src/actors/cryptoki/host/faults.ts"
import { CKR_DEVICE_ERROR, CKR_SESSION_HANDLE_INVALID } from "../../../../src/actors/cryptoki/pkcs11/return-codes.ts"
import {
  afterFault,
  allChances,
  attemptsAwaited,
  delayAfter,
  failuresLeft,
  recentLosses
} from "../../../../src/actors/cryptoki/token/retry-policy.ts"

const mechanismInvalid = 0x70

const calm = { chances: allChances, hasNewSession: false, isDoubted: false, signMs: 60_000 }
const refused = (code: number) => new CallRefused({ call: "C_Sign", code, detail: "" })
const hung = (afterMs: number) => new CallTimedOut({ call: "sign", afterMs, detail: "" })
const died = (forAnother: boolean) => new HostDied({ call: "sign", signal: "SIGKILL", detail: "", forAnother })

/** The remedies until the request is given up, where each repetition meets the same fault. */
const remedies = (fault: Parameters<typeof afterFault>[0]): ReadonlyArray<string> => {
  const taken: Array<string> = []
  for (let left: typeof calm.chances | undefined = calm.chances; left !== undefined; ) {
    const next: ReturnType<typeof afterFault> = afterFault(fault, { ...calm, chances: left })
    taken.push(next.remedy)
    left = next.left
  }
  return taken
}

describe("a request", () => {
  it("that is refused is not made again", () => {
    expect(remedies(refused(mechanismInvalid))).toEqual(["none"])
  })

  it("whose session is lost gets a new session once, then a new host once", () => {
    expect(remedies(refused(CKR_SESSION_HANDLE_INVALID))).toEqual(["session", "host", "host"])
  })

  it("on a device that fails gets a new host once", () => {
    expect(remedies(refused(CKR_DEVICE_ERROR))).toEqual(["host", "host"])
  })

  it("under which the service ended the host is made again twice, and then as after a fault", () => {
    expect(remedies(new HostEnded({ call: "sign" }))).toEqual(["host", "host", "host", "host"])
    expect(remedies(died(true))).toHaveLength(4)
    expect(remedies(died(false))).toHaveLength(2)
  })

  it("that took all the time it may is not made again; one that was given less is", () => {
    expect(afterFault(hung(60_000), calm).left).toBeUndefined()
    expect(afterFault(hung(4000), calm).left).toEqual({ ...allChances, session: 0, host: 0 })
  })

  it("uses the session that another request got meanwhile", () => {
    const fault = refused(CKR_SESSION_HANDLE_INVALID)
    expect(afterFault(fault, { ...calm, hasNewSession: true })).toEqual({
      remedy: "none",
      left: { ...allChances, session: 0 }
    })
  })

  it("gets a new host at once where the new session was not better", () => {
    expect(afterFault(refused(CKR_SESSION_HANDLE_INVALID), { ...calm, isDoubted: true }).remedy).toBe("host")
  })
})

describe("a host", () => {
  it("is started at 0, 1, 2, then every 4 seconds", () => {
    expect([1, 2, 3, 4, 5].map(delayAfter)).toEqual([0, 1000, 2000, 4000, 4000])
  })

  it("is waited for three times, and once where it has failed for longer", () => {
    expect([0, 1, 2, 9].map(attemptsAwaited)).toEqual([3, 3, 1, 1])
  })

  it("that is lost a third time within a minute counts as a failure", () => {
    expect([0, 1, 2, 3, 4].map((losses) => failuresLeft(Array(losses).fill(0)))).toEqual([0, 0, 0, 1, 2])
    expect(recentLosses([0, 30_000, 59_999], 60_000)).toEqual([30_000, 59_999])
  })
})
