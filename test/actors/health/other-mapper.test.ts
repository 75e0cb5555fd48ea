/** What is a sign of another mapper on the local broker, and what only looks like one. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { OtherMapper } from "../../../src/actors/health/other-mapper.ts"
import {
  BrokerDisconnected,
  ClientIdContested,
  ConnectionLost,
  type LinkStatus,
  type MqttMessage,
  type MqttRefusal
} from "../../../src/messages/mqtt.ts"

const health = "te/device/main/service/tedge-mapper-c8y/status/health"
const mosquitto = "te/device/main/service/mosquitto-c8y-bridge/status/health"

const other = () => new OtherMapper({ mapperHealth: [health], mosquittoHealth: mosquitto })

const message = (topic: string, payload: string, retain = false): MqttMessage => ({
  topic,
  payload: Buffer.from(payload),
  qos: 1,
  retain
})

const down = (failure: MqttRefusal): LinkStatus => ({ _tag: "Down", failure, retryInMs: 1, attempt: 1 })
const at = { host: "localhost", port: 1883 }
const kicked = (code: number) => down(new BrokerDisconnected({ ...at, code, detail: "" }))

describe("another mapper", () => {
  it("answers the health check as up, from whatever process, in the order of fields it likes", () => {
    for (const text of [
      '{"pid":77,"status":"up","time":1.5}',
      '{"status":"up"}',
      `{"status":"up","pid":${process.pid}}`
    ]) {
      const seen = other()
      seen.received(message(health, text), 10)
      expect(seen.signSince(5, 20)).toMatchObject({ _tag: "Answers", topic: health })
    }
  })

  it("that answered an earlier check only may have gone", () => {
    const seen = other()
    seen.received(message(health, '{"status":"up","pid":77}'), 10)
    expect(seen.signSince(11, 20)).toBeUndefined()
  })

  it("is not what we say of ourselves, nor what is retained, nor who says that it is down", () => {
    const seen = other()
    const ours = message(health, `{"status":"up","pid":${process.pid},"time":1}`)
    seen.ownHealth(ours)
    seen.received(ours, 10)
    seen.received(message(health, '{"status":"up","pid":77}', true), 10)
    seen.received(message(health, '{"status":"down","pid":77}'), 10)
    seen.received(message("te/device/main/service/tedge-agent/status/health", '{"status":"up","pid":77}'), 10)
    expect(seen.signSince(0, 20)).toBeUndefined()
  })

  it("is a bridge of mosquitto as long as its last word, retained or not, is 1", () => {
    const seen = other()
    seen.received(message(mosquitto, "1", true), 1)
    expect(seen.signSince(10, 20)).toMatchObject({ _tag: "MosquittoBridge" })
    seen.received(message(mosquitto, "0"), 15)
    expect(seen.signSince(10, 20)).toBeUndefined()
    seen.received(message(mosquitto, '{"status":"up"}'), 16)
    expect(seen.signSince(10, 20)).toMatchObject({ _tag: "MosquittoBridge" })
    seen.received(message(mosquitto, ""), 17)
    expect(seen.signSince(10, 20)).toBeUndefined()
  })

  it("takes connections over; that counts for ten minutes, and other ends do not", () => {
    for (const status of [kicked(0x8e), down(new ClientIdContested({ ...at, clientId: "x", times: 3 }))]) {
      const seen = other()
      seen.linkChanged(status, 1_000)
      expect(seen.signSince(200_000, 300_000)).toEqual({ _tag: "TakesOver" })
      expect(seen.signSince(700_000, 700_000)).toBeUndefined()
    }
    const seen = other()
    seen.linkChanged(kicked(0x8b), 1_000)
    seen.linkChanged(down(new ConnectionLost({ ...at, stage: "connected", detail: "" })), 1_000)
    expect(seen.signSince(1_000, 2_000)).toBeUndefined()
  })

  it("is never seen in what is said by us or retained, and always in a foreign answer, whatever came in between", () =>
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom("ours", "retained", "noise"), fc.nat(1_000)), { maxLength: 50 }),
        fc.boolean(),
        (events, isThere) => {
          const seen = other()
          for (const [kind, time] of events) {
            const text = `{"status":"up","pid":${kind === "ours" ? process.pid : 77},"time":${time}}`
            if (kind === "ours") seen.ownHealth(message(health, text))
            if (kind === "noise") seen.received(message(health, text.slice(0, -2)), 10)
            else seen.received(message(health, text, kind === "retained"), 10)
          }
          if (isThere) seen.received(message(health, '{"pid":78,"status":"up","time":2000}'), 10)
          expect(seen.signSince(5, 20)?._tag).toBe(isThere ? "Answers" : undefined)
        }
      )
    ))
})
