/** What the log says of messages the bridge does not pass on. */
import { describe, expect, it } from "vitest"
import { explainDropped } from "../../../src/messages/explain/bridge.ts"

describe("the log line of a dropped message", () => {
  it("tells size, limit and setting of one that is too large", () => {
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
      "Dropping cloud-bound message on topic c8y/s/us: its 20000 bytes are more than the 16184 the cloud takes (c8y.mapper.mqtt.max_payload_size)"
    )
  })

  it("tells the topic that is none", () => {
    expect(explainDropped({ direction: "inbound", topic: "s/ds", reason: "invalidTopic", target: "c8y/a+b" })).toBe(
      "Dropping local-bound message on topic s/ds: 'c8y/a+b' is no topic to publish on"
    )
  })
})
