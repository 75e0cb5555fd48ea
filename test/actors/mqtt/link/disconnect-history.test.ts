import { describe, expect, it } from "vitest"
import { DisconnectHistory } from "../../../../src/actors/mqtt/link/link-upkeep.ts"
import { BrokerDisconnected, ConnectionLost, type Target } from "../../../../src/messages/mqtt.ts"

const target: Target = {
  host: "cloud.example",
  port: 8883,
  clientId: "dev01",
  keepalive: 60,
  cleanSession: true,
  connectWithinMs: 1_000
}
const at = { host: target.host, port: target.port }
const lost = new ConnectionLost({ ...at, stage: "connected", detail: "" })
const short = { failure: lost, heldMs: 2_000, hadUnacknowledged: false }

describe("connections that end within seconds", () => {
  it("are another holder of the client id from the third in a row on", () => {
    const disconnects = new DisconnectHistory(target)
    expect([1, 2, 3, 4].map(() => disconnects.judge(short)._tag)).toEqual([
      "ConnectionLost",
      "ConnectionLost",
      "ClientIdContested",
      "ClientIdContested"
    ])
    expect(disconnects.judge(short)).toMatchObject({ clientId: "dev01", times: 5 })
  })

  it("are not, when one held, or the broker could not be reached in between", () => {
    const disconnects = new DisconnectHistory(target)
    disconnects.judge(short)
    disconnects.judge(short)
    disconnects.judge({ ...short, heldMs: 60_000 })
    expect(disconnects.judge(short)._tag).toBe("ConnectionLost")
    disconnects.judge(short)
    disconnects.notEstablished()
    expect(disconnects.judge(short)._tag).toBe("ConnectionLost")
  })

  it("are not, when a message was on its way each time: it may be why the broker disconnected", () => {
    const disconnects = new DisconnectHistory(target)
    const tags = [1, 2, 3, 4].map(() => disconnects.judge({ ...short, hadUnacknowledged: true })._tag)
    expect(new Set(tags)).toEqual(new Set(["ConnectionLost"]))
  })

  it.each(["us", "network"] as const)("are not, when %s ended them", (endedBy) => {
    const disconnects = new DisconnectHistory(target)
    const ended = new ConnectionLost({ ...at, stage: "connected", endedBy, detail: "" })
    expect([1, 2, 3, 4].map(() => disconnects.judge({ ...short, failure: ended }))).toEqual([
      ended,
      ended,
      ended,
      ended
    ])
  })

  it("keep the reason that a broker gave itself", () => {
    const disconnects = new DisconnectHistory(target)
    const taken = new BrokerDisconnected({ ...at, code: 0x8e, detail: "" })
    expect([1, 2, 3].map(() => disconnects.judge({ ...short, failure: taken })).at(-1)).toBe(taken)
  })
})

describe("a link that is lost often", () => {
  it("is reported at the third time in ten minutes, and then every ten minutes at most", () => {
    const disconnects = new DisconnectHistory(target)
    const told = Array.from({ length: 40 }, (_, n) => disconnects.often(n * 60_000)?.times)
    expect(told.flatMap((times, n) => (times === undefined ? [] : [[n, times]]))).toEqual([
      [2, 3],
      [12, 10],
      [22, 10],
      [32, 10]
    ])
  })

  it("is not reported if it is rare", () => {
    const disconnects = new DisconnectHistory(target)
    for (let n = 0; n < 50; n++) expect(disconnects.often(n * 6 * 60_000)).toBeUndefined()
  })
})
