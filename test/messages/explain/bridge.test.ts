/** What the log says of messages the bridge does not pass on. */
import { describe, expect, it } from "vitest"
import { explainDropped, explainHeldBack } from "../../../src/messages/explain/bridge.ts"

describe("the log line of a dropped message", () => {
  it("contains size, limit and setting of one that is too large", () => {
    expect(
      explainDropped({
        direction: "outbound",
        topic: "c8y/s/us",
        reason: "tooLarge",
        size: 20_000,
        limit: 16_184,
        setting: "c8y.mapper.mqtt.max_payload_size"
      })
    ).toBe(
      "Dropping cloud-bound message on topic c8y/s/us: its 20000 bytes exceed the limit of 16184 (c8y.mapper.mqtt.max_payload_size)"
    )
  })

  it("contains an invalid topic", () => {
    expect(explainDropped({ direction: "inbound", topic: "s/ds", reason: "invalidTopic", target: "c8y/a+b" })).toBe(
      "Dropping local-bound message on topic s/ds: 'c8y/a+b' is not a valid topic to publish on"
    )
  })

  it("names the reason of a broker that refuses a message, in words where MQTT 5 has some", () => {
    const refused = (code: number) =>
      explainDropped({ direction: "inbound", topic: "c8y/s/ds", reason: "refused", code })
    expect(refused(135)).toBe("Dropping local-bound message on topic c8y/s/ds: the broker refused it (not authorised)")
    expect(refused(149)).toContain("(packet too large: max_packet_size of the broker)")
    expect(refused(200)).toContain("(reason code 0xc8)")
  })
})

describe("the log line of a message that is held back", () => {
  it("names topic and reason, and what becomes of it", () => {
    expect(explainHeldBack({ direction: "inbound", topic: "c8y/s/ds", code: 151 })).toBe(
      "Holding back local-bound message on topic c8y/s/ds: the broker refused it temporarily (quota exceeded). It is retried until the broker accepts it"
    )
  })
})
