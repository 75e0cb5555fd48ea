/** What a broker that does not answer is told as, and a renewed certificate that is none. */
import { describe, expect, it } from "vitest"
import { explainMqtt } from "../../../src/messages/explain/mqtt.ts"
import { BrokerSilent, CredentialUnusable } from "../../../src/messages/mqtt.ts"

type WaitingFor = BrokerSilent["waitingFor"]

const silence = (waitingFor: WaitingFor, signingMs: number | undefined) =>
  explainMqtt(new BrokerSilent({ host: "cloud.example", port: 8883, waitingFor, afterMs: 60_000, signingMs }))

describe("a broker that does not answer", () => {
  it.each([
    ["connection", undefined, "check firewalls and proxies on the way, and the port: tedge config list mqtt"],
    ["connection", 700, "check firewalls and proxies on the way, and the port: tedge config list mqtt"],
    ["connection", 45_000, "the token is slow: tedge hsm doctor"],
    ["CONNACK", undefined, "check that the port is one for MQTT: tedge config list mqtt"],
    ["CONNACK", 700, "check that the port is one for MQTT: tedge config list mqtt"],
    ["CONNACK", 45_000, "the token is slow: tedge hsm doctor"],
    ["SUBACK", undefined, "the broker's own log tells why"],
    ["PUBACK", undefined, "the broker's own log tells why"]
  ] satisfies ReadonlyArray<readonly [WaitingFor, number | undefined, string]>)(
    "%s, %s ms of it for the signature",
    (waitingFor, signingMs, hint) => expect(silence(waitingFor, signingMs).hint).toBe(hint)
  )

  it("has the time of the signature in the sentence, if one was made", () => {
    expect(silence("CONNACK", 700).error).toBe(
      "cloud.example:8883 did not answer within 60 s (waiting for CONNACK; the token took 0.7 s of it to sign)"
    )
    expect(silence("CONNACK", undefined).error).toBe(
      "cloud.example:8883 did not answer within 60 s (waiting for CONNACK)"
    )
  })
})

describe("a certificate file without a certificate", () => {
  it.each(["empty", "isDirectory", "tooLarge"] as const)("that waits after a renewal: %s", (reason) => {
    const hint = (path: string) =>
      explainMqtt(new CredentialUnusable({ path, role: "certificate", reason, detail: "" })).hint
    expect(hint("/certs/device.pem.new")).toBe("remove it, or renew again: tedge cert renew")
    expect(hint("/certs/device.pem")).toContain("device.cert_path")
  })
})
