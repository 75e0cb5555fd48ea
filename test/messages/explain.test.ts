/** Every failure has a sentence in our form; and those that deployed scripts look for stay to the letter. */
import { describe, expect, it } from "vitest"
import * as Connect from "../../src/messages/connect.ts"
import { explain, type Failure } from "../../src/messages/explain.ts"
import * as Mqtt from "../../src/messages/mqtt.ts"
import * as Token from "../../src/messages/token-refusals.ts"
import { samples } from "./explain-samples.ts"

const all: ReadonlyArray<Failure> = Object.values<ReadonlyArray<Failure>>(samples).flat()

/** Words that blame or say nothing (STYLE, rule 18 and the smells). */
const emptyWords = /failed to|something went wrong|unexpected error|undefined|\[object/

describe("the sentence of a failure", () => {
  it.each(all.map((failure, index) => [`${failure._tag} ${index}`, failure] as const))("%s", (_name, failure) => {
    const { error, hint } = explain(failure)
    expect(error).toMatch(/^\P{Cc}{10,}$/u)
    // One sentence is the document's own, with its full stop.
    expect(error).not.toMatch(/(?<!disconnected)[.\s]$/)
    expect(error).not.toMatch(emptyWords)
    expect(hint ?? "a fact").not.toBe("")
    expect(hint ?? "").not.toMatch(emptyWords)
  })

  it("names the connection that another command changes, and its process", () => {
    expect(explain(new Connect.CommandRunning({ cloud: "c8y", profile: undefined, pid: 7 }))).toEqual({
      error: "another tedge connect, reconnect or disconnect of c8y is running (process 7)",
      hint: "wait for it, then try again"
    })
  })

  it("has the fragments that deployed scripts look for", () => {
    const text = all.map((failure) => explain(failure).error).join("\n")
    for (const fragment of [
      "Failed to find a signing key",
      "Didn't find a slot to use. The device may be disconnected.",
      "Failed to find a key",
      "The specified PIN is incorrect",
      "Failed to connect to tedge-p11-server UNIX socket at '/run/p11.sock'",
      "Failed to load PKCS#11 dynamic object"
    ])
      expect(text).toContain(fragment)
  })
})

describe("a mode that is off", () => {
  it("is not called missing", () => {
    const { error } = explain(new Token.CryptokiOff({ missing: "device.cryptoki.mode" }))
    expect(error).toBe("'device.cryptoki.mode' is off: the key is a file, and no token is used")
  })
})

describe("a part that is parked", () => {
  it("says when it is started again, in the reason of the bridge and in the refusal of a token", () => {
    const cause = new Mqtt.SigningInterrupted({ reason: "stopped", afterMs: 0, retryInMs: 240_000 })
    expect(explain(new Mqtt.SigningFailed({ host: "h", cause })).error).toBe(
      "the token did not sign for the connection to h: the signing actor is parked after repeated failures and restarts in 240 s"
    )
    expect(explain(new Token.TokenActorFailed({ token: "t", state: "parked", retryInMs: 240_000 })).error).toBe(
      "token 't': parked after too many internal errors; it accepts requests again in 240 s"
    )
  })
})

describe("a call that does not return", () => {
  const says = (call: string, family: "piv" | "other") =>
    explain(new Token.TokenTimeout({ token: "t", call, afterMs: 45_000, detail: "", family }))

  it("is a card that another program holds, and no touch is asked for", () => {
    const { error, hint } = says("check", "piv")
    expect(error).toBe(
      "card 't': another program holds it, or its reader hangs: check did not return within 45 s; its module was restarted"
    )
    expect(hint).toMatch(/^tedge resumes when the card is free: end the program that holds it/)
    expect(hint).not.toContain("touch")
  })

  it("is a touch that is waited for in a signature alone", () => {
    expect(says("sign", "piv").hint).toContain("touch it")
    expect(says("objects", "other").hint).not.toContain("touch")
  })
})
