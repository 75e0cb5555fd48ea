import { describe, expect, it } from "vitest"
import { Losses } from "../../../../src/actors/mqtt/link/link-upkeep.ts"
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
    const losses = new Losses(target)
    expect([1, 2, 3, 4].map(() => losses.judge(short)._tag)).toEqual([
      "ConnectionLost",
      "ConnectionLost",
      "ClientIdContested",
      "ClientIdContested"
    ])
    expect(losses.judge(short)).toMatchObject({ clientId: "dev01", times: 5 })
  })

  it("are not, when one held, or the broker could not be reached in between", () => {
    const losses = new Losses(target)
    losses.judge(short)
    losses.judge(short)
    losses.judge({ ...short, heldMs: 60_000 })
    expect(losses.judge(short)._tag).toBe("ConnectionLost")
    losses.judge(short)
    losses.notEstablished()
    expect(losses.judge(short)._tag).toBe("ConnectionLost")
  })

  it("are not, when a message was on its way each time: it may be why the broker disconnected", () => {
    const losses = new Losses(target)
    const tags = [1, 2, 3, 4].map(() => losses.judge({ ...short, hadUnacknowledged: true })._tag)
    expect(new Set(tags)).toEqual(new Set(["ConnectionLost"]))
  })

  it.each(["us", "network"] as const)("are not, when %s ended them", (endedBy) => {
    const losses = new Losses(target)
    const ended = new ConnectionLost({ ...at, stage: "connected", endedBy, detail: "" })
    expect([1, 2, 3, 4].map(() => losses.judge({ ...short, failure: ended }))).toEqual([ended, ended, ended, ended])
  })

  it("keep the reason that a broker gave itself", () => {
    const losses = new Losses(target)
    const taken = new BrokerDisconnected({ ...at, code: 0x8e, detail: "" })
    expect([1, 2, 3].map(() => losses.judge({ ...short, failure: taken })).at(-1)).toBe(taken)
  })
})

describe("a link that is lost often", () => {
  it("is reported at the third time in ten minutes, and then every ten minutes at most", () => {
    const losses = new Losses(target)
    const told = Array.from({ length: 40 }, (_, n) => losses.often(n * 60_000)?.times)
    expect(told.flatMap((times, n) => (times === undefined ? [] : [[n, times]]))).toEqual([
      [2, 3],
      [12, 10],
      [22, 10],
      [32, 10]
    ])
  })

  it("is not reported if it is rare", () => {
    const losses = new Losses(target)
    for (let n = 0; n < 50; n++) expect(losses.often(n * 6 * 60_000)).toBeUndefined()
  })
})
