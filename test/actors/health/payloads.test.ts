import { describe, expect, it } from "vitest"
import {
  bridgeHealth,
  cloudStatus,
  externalId,
  registration,
  type ServiceIdentity,
  serviceDown,
  serviceUp,
  toCumulocity
} from "../../../src/actors/health/payloads.ts"
import { serviceTopics } from "../../../src/messages/service-topics.ts"

const device = { topicRoot: "te", deviceTopicId: "device/main//" }

const identity: ServiceIdentity = {
  name: "tedge-mapper-c8y",
  topics: serviceTopics(device, "tedge-mapper-c8y"),
  deviceTopicId: device.deviceTopicId,
  type: "service",
  pid: 42,
  timestampFormat: "unix"
}

const text = ({ payload }: { readonly payload: Uint8Array }) => Buffer.from(payload).toString()

describe("the topics of a service", () => {
  it("are those of thin-edge, for a child device too", () => {
    expect(identity.topics).toMatchObject({
      registration: "te/device/main/service/tedge-mapper-c8y",
      health: "te/device/main/service/tedge-mapper-c8y/status/health",
      healthChecks: ["te/device/main/service/tedge-mapper-c8y/cmd/health/check", "te/device/main///cmd/health/check"]
    })
    const child = serviceTopics({ topicRoot: "root", deviceTopicId: "device/child01//" }, "s")
    expect(child.health).toBe("root/device/child01/service/s/status/health")
  })
})

describe("what is said about health", () => {
  it("is retained and byte for byte what thin-edge says", () => {
    expect(text(serviceUp(identity, 1_700_000_000_500))).toBe('{"status":"up","pid":42,"time":1700000000.5}')
    expect(text(serviceUp({ ...identity, timestampFormat: "rfc-3339" }, 1_700_000_000_500))).toBe(
      '{"status":"up","pid":42,"time":"2023-11-14T22:13:20.500Z"}'
    )
    expect(text(serviceDown(identity))).toBe('{"status":"down","pid":42}')
    expect(text(bridgeHealth(identity.topics, "up"))).toBe('{"status":"up"}')
    expect(text(bridgeHealth(identity.topics, "down"))).toBe('{"status":"down"}')
    for (const message of [registration(identity), serviceDown(identity), bridgeHealth(identity.topics, "up")])
      expect(message).toMatchObject({ retain: true, qos: 1 })
  })

  it('never has "up" in it when something is down: thin-edge looks for just that', () => {
    for (const message of [serviceDown(identity), bridgeHealth(identity.topics, "down")])
      expect(text(message)).not.toContain('"up"')
  })
})

describe("the status of a service in Cumulocity", () => {
  it("is one line of SmartREST per service", () => {
    const id = externalId("dev01", identity.topics)
    const line = cloudStatus({ name: "tedge-mapper-c8y", type: "service", externalId: id }, "up")
    expect(line).toBe("102,dev01:device:main:service:tedge-mapper-c8y,service,tedge-mapper-c8y,up")
    expect(toCumulocity([line, line])).toMatchObject({ topic: "s/us", qos: 1, retain: false })
    expect(text(toCumulocity([line, line]))).toBe(`${line}\n${line}`)
  })

  it("quotes what would break the line", () => {
    expect(cloudStatus({ name: 'a "b", c', type: "x\ny", externalId: "id" }, "down")).toBe(
      '102,id,"x\ny","a ""b"", c",down'
    )
  })
})
