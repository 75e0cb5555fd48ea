/** Which traces are exported, by what the environment says. */
import { describe, expect, it } from "vitest"
import { samplerOf } from "../../../../src/cli/services/telemetry/sampler.ts"

const message = "mqtt forward"
const connection = "mqtt connect"

describe("without a sampler in the environment", () => {
  it("every connection is exported, and of messages one in a second", () => {
    const sampled = samplerOf({})
    expect([sampled(connection, "", 0), sampled(connection, "", 1)]).toEqual([true, true])
    const messages = [0, 10, 999, 1000, 1500].map((now) => sampled(message, "outbound", now))
    expect(messages).toEqual([true, false, false, true, false])
    expect(sampled(message, "inbound", 1500)).toBe(true)
  })

  it("of the requests of a client each kind is exported, and of each one in a second", () => {
    const sampled = samplerOf({})
    const requests = ["Ping", "ListKeysRequest", "ChooseSchemeRequest", "SignRequest"]
    expect(requests.map((work, n) => sampled("signing request", work, n))).toEqual([true, true, true, true])
    expect(requests.map((work, n) => sampled("signing request", work, n + 9))).toEqual([false, false, false, false])
  })

  it("what an actor handles on behalf of nothing is no trace", () => {
    expect(samplerOf({ OTEL_TRACES_SAMPLER: "always_on" })("actor.receive", "", 0)).toBe(false)
  })
})

describe("OTEL_TRACES_SAMPLER", () => {
  const share = (environment: Readonly<Record<string, string>>) => {
    let next = 0
    const sampled = samplerOf(environment, () => (next++ % 100) / 100)
    return Array.from({ length: 100 }, () => sampled(message, "outbound", 0)).filter(Boolean).length
  }

  it.each([
    [{ OTEL_TRACES_SAMPLER: "always_on" }, 100],
    [{ OTEL_TRACES_SAMPLER: "parentbased_always_on" }, 100],
    [{ OTEL_TRACES_SAMPLER: "always_off" }, 0],
    [{ OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.25" }, 25],
    [{ OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.1" }, 10],
    [{ OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "many" }, 100]
  ])("%o exports %i of 100 messages", (environment, expected) => {
    expect(share(environment)).toBe(expected)
  })

  it("always_off exports no connection either; a share is of messages", () => {
    expect(samplerOf({ OTEL_TRACES_SAMPLER: "always_off" })(connection, "", 0)).toBe(false)
    expect(samplerOf({ OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0" })(connection, "", 0)).toBe(
      true
    )
  })
})
