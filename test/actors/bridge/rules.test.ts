/** The tables of topic rules, as thin-edge has them. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  type CumulocityRules,
  filtersOf,
  rulesForAws,
  rulesForAzure,
  rulesForCumulocity,
  targetTopic
} from "../../../src/actors/bridge/rules.ts"

const cumulocity = (overrides: Partial<CumulocityRules> = {}) =>
  rulesForCumulocity({
    topicPrefix: "c8y",
    authenticatesBy: "certificate",
    smartrestTemplates: [],
    smartrest1Templates: [],
    mqttService: { enabled: false, topics: [] },
    ...overrides
  })

describe("the rules for Cumulocity", () => {
  it("subscribe on the local side to what goes out", () => {
    expect([...filtersOf(cumulocity(), "outbound")].sort()).toEqual(
      [
        "c8y/s/uat",
        ...["s", "t", "q", "c"].flatMap((mode) => [`c8y/${mode}/us/#`, `c8y/${mode}/uc/#`]),
        "c8y/s/ut/#",
        "c8y/inventory/managedObjects/update/#",
        "c8y/measurement/measurements/create/#",
        "c8y/measurement/measurements/createBulk/#",
        "c8y/event/events/create/#",
        "c8y/event/events/createBulk/#",
        "c8y/alarm/alarms/create/#",
        "c8y/alarm/alarms/createBulk/#"
      ].sort()
    )
  })

  it("subscribe in the cloud to what comes in", () => {
    expect([...filtersOf(cumulocity(), "inbound")].sort()).toEqual(
      ["s/dat", "s/dt", "s/ds", "s/e", "devicecontrol/notifications", "error"].sort()
    )
  })

  it.each([
    ["outbound", "c8y/s/us", "s/us"],
    ["outbound", "c8y/s/us/child", "s/us/child"],
    ["outbound", "c8y/t/uc/x", "t/uc/x"],
    ["outbound", "c8y/s/uat", "s/uat"],
    ["outbound", "c8y/measurement/measurements/create", "measurement/measurements/create"],
    ["outbound", "c8y/s/ul/x", undefined],
    ["outbound", "c8y/mqtt/out/a", undefined],
    ["outbound", "te/device/main///m/", undefined],
    ["inbound", "s/ds", "c8y/s/ds"],
    ["inbound", "s/dat", "c8y/s/dat"],
    ["inbound", "s/dc/tmpl", undefined],
    ["inbound", "devicecontrol/notifications", "c8y/devicecontrol/notifications"]
  ] as const)("%s %s -> %s", (direction, topic, target) => {
    expect(targetTopic(cumulocity(), direction, topic)).toBe(target)
  })

  it("use the topic prefix of the settings", () => {
    expect(targetTopic(cumulocity({ topicPrefix: "c8y-prod" }), "outbound", "c8y-prod/s/us")).toBe("s/us")
    expect(targetTopic(cumulocity({ topicPrefix: "c8y-prod" }), "inbound", "s/ds")).toBe("c8y-prod/s/ds")
    expect(targetTopic(cumulocity({ topicPrefix: "c8y-prod" }), "outbound", "c8y/s/us")).toBeUndefined()
  })

  it("have no token topics for a password, and the topics of SmartREST 1 logins instead", () => {
    const rules = cumulocity({ authenticatesBy: "password" })
    expect(targetTopic(rules, "outbound", "c8y/s/uat")).toBeUndefined()
    expect(targetTopic(rules, "inbound", "s/dat")).toBeUndefined()
    expect(targetTopic(rules, "outbound", "c8y/q/ul/x")).toBe("q/ul/x")
  })

  it("subscribe to the templates of the settings", () => {
    const rules = cumulocity({ smartrestTemplates: ["two"], smartrest1Templates: ["one"] })
    expect(filtersOf(rules, "inbound")).toEqual(expect.arrayContaining(["s/dc/two", "s/dl/one", "s/ol/one"]))
  })

  it("bridge the MQTT Service when it is enabled", () => {
    const rules = cumulocity({ mqttService: { enabled: true, topics: ["plant/alarms"] } })
    expect(targetTopic(rules, "outbound", "c8y/mqtt/out/a/b")).toBe("a/b")
    expect(targetTopic(rules, "outbound", "c8y/mqtt/out")).toBeUndefined()
    expect(targetTopic(rules, "outbound", "c8y/mqtt/out/")).toBeUndefined()
    expect(targetTopic(rules, "inbound", "plant/alarms")).toBe("c8y/mqtt/in/plant/alarms")
  })

  it("never fail on a topic, whatever it is", () =>
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        fc.constantFrom("outbound" as const, "inbound" as const),
        (topic, to) => {
          const rules = cumulocity({ mqttService: { enabled: true, topics: ["#"] } })
          const target = targetTopic(rules, to, topic)
          if (to === "inbound" && !topic.startsWith("$")) expect(target).toContain(topic)
        }
      )
    ))
})

describe("the rules for AWS", () => {
  const rules = rulesForAws("aws", "dev01")
  it.each([
    ["outbound", "aws/td/a", "thinedge/dev01/td/a"],
    ["inbound", "thinedge/dev01/cmd/a", "aws/cmd/a"],
    ["outbound", "aws/shadow/update", "$aws/things/dev01/shadow/update"],
    ["inbound", "$aws/things/dev01/shadow/update", "aws/shadow/update"],
    ["outbound", "aws/test-connection", "thinedge/devices/dev01/test-connection"],
    ["inbound", "thinedge/devices/dev01/test-connection", "aws/connection-success"],
    ["inbound", "$aws/things/other/shadow/update", undefined]
  ] as const)("%s %s -> %s", (direction, topic, target) => {
    expect(targetTopic(rules, direction, topic)).toBe(target)
  })
})

describe("the rules for Azure", () => {
  const rules = rulesForAzure("az", "dev01")
  it.each([
    ["outbound", "az/messages/events/a=b", "devices/dev01/messages/events/a=b"],
    ["inbound", "devices/dev01/messages/devicebound/x", "az/messages/devicebound/x"],
    ["outbound", "az/methods/res/200/?$rid=1", "$iothub/methods/res/200/?$rid=1"],
    ["inbound", "$iothub/methods/POST/reboot/?$rid=1", "az/methods/POST/reboot/?$rid=1"],
    ["outbound", "az/twin/GET/?$rid=1", "$iothub/twin/GET/?$rid=1"],
    ["outbound", "az/twin/PATCH/properties/reported/?$rid=1", "$iothub/twin/PATCH/properties/reported/?$rid=1"],
    ["inbound", "$iothub/twin/res/200/?$rid=1", "az/twin/res/200/?$rid=1"]
  ] as const)("%s %s -> %s", (direction, topic, target) => {
    expect(targetTopic(rules, direction, topic)).toBe(target)
  })
})
