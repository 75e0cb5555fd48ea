/** Log lines of the signing service: what a client wrote never passes for a field of ours. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { explainServerEvent } from "../../../src/messages/explain/p11-server.ts"
import { requestTimes } from "../../actors/p11-server/request-times.ts"

const refused = (reason: string, uri: string | undefined): string =>
  explainServerEvent({
    _tag: "RequestRefused",
    client: { uid: 1000, gid: 100, pid: 7 },
    operation: "sign",
    uri,
    times: requestTimes(1),
    isSignature: true,
    reason,
    isAudited: false
  }).text

const line =
  /^Incoming request failed: uid=1000 gid=100 pid=7 operation=sign key="((?:[^"\\]|\\.)*)" result=refused reason="((?:[^"\\]|\\.)*)"$/

describe("the log line of a refused request", () => {
  it("has the fields first and the reason last", () => {
    expect(refused("it failed", undefined)).toBe(
      'Incoming request failed: uid=1000 gid=100 pid=7 operation=sign result=refused reason="it failed"'
    )
    expect(refused('no "x" uid=0 operation=list result=done', 'pkcs11:object=a" uid=0')).toBe(
      'Incoming request failed: uid=1000 gid=100 pid=7 operation=sign key="pkcs11:object=a\\" uid=0" result=refused reason="no \\"x\\" uid=0 operation=list result=done"'
    )
  })

  it("is one line of this form, whatever a client wrote", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (reason, uri) => {
        expect(refused(reason, uri)).toMatch(line)
      })
    )
  })

  it("reads as it stands: nothing a client wrote turns the direction, or breaks the line where it is shown", () => {
    const turning = "pkcs11:object=a\u202e\u2066b\u2028c\u2029d\u0085e\u001b[31m"
    expect(refused(turning, turning)).toMatch(/^[\x20-\x7e]*$/)
  })
})
