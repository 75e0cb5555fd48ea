/** What a broker that does not answer is told as, and a renewed certificate that is none. */
import { describe, expect, it } from "vitest"
import { explainMqtt } from "../../../src/messages/explain/mqtt.ts"
import {
  BrokerRefused,
  BrokerSilent,
  ConnectionLost,
  CredentialUnusable,
  type TargetCloud,
  TlsFailed
} from "../../../src/messages/mqtt.ts"

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
    ["SUBACK", undefined, "see the broker's log"],
    ["PUBACK", undefined, "see the broker's log"]
  ] satisfies ReadonlyArray<readonly [WaitingFor, number | undefined, string]>)(
    "%s, %s ms of it for the signature",
    (waitingFor, signingMs, hint) => expect(silence(waitingFor, signingMs).hint).toBe(hint)
  )

  it("has the time of the signature in the sentence, if one was made", () => {
    expect(silence("CONNACK", 700).error).toBe(
      "cloud.example:8883 did not answer within 60 s (waiting for CONNACK; the token took 0.7 s of it)"
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

describe("hints name the cloud at hand", () => {
  const place = { host: "cloud.example", port: 8883, detail: "" } as const
  const hints = (cloud: TargetCloud | undefined) => ({
    untrusted: explainMqtt(new TlsFailed({ ...place, reason: "certificateRefused", cloud })).hint,
    expired: explainMqtt(new TlsFailed({ ...place, reason: "certificateExpired", cloud })).hint,
    closed: explainMqtt(new ConnectionLost({ ...place, stage: "connecting", cloud })).hint,
    refused: explainMqtt(new BrokerRefused({ ...place, code: 5, cloud })).hint
  })

  it("Cumulocity, with its profile", () => {
    const { untrusted, closed } = hints({ name: "c8y", profile: "prod" })
    expect(untrusted).toContain("tedge cert upload c8y --profile prod")
    expect(closed).toContain("check that the port is one for MQTT")
  })

  it("AWS: a connection that is closed before CONNACK is one of policy and registration", () => {
    const all = hints({ name: "aws", profile: "plant" })
    expect(all.closed).toMatch(/registered.*policy.*iot:Connect/)
    expect(all.closed).not.toContain("port")
    expect(all.untrusted).toContain("AWS IoT")
    expect(all.refused).toContain("policy")
    expect(all.expired).toContain("tedge cert renew aws --profile plant")
    expect(JSON.stringify(all)).not.toMatch(/c8y|cumulocity/i)
  })

  it("Azure", () => {
    const all = hints({ name: "az", profile: undefined })
    expect(all.untrusted).toContain("thumbprint")
    expect(all.closed).toContain("registered")
    expect(all.refused).toContain("registered and enabled")
    expect(JSON.stringify(all)).not.toMatch(/c8y|cumulocity/i)
  })

  it("a local broker is no cloud", () => {
    expect(JSON.stringify(hints(undefined))).not.toMatch(/c8y|cumulocity|AWS|hub/i)
  })
})
