/** For how long a broker is taken for one that speaks MQTT 3.1.1 only. */
import { Effect } from "effect"
import { expect, it } from "vitest"
import { OldBrokers, Unopened } from "../../../src/actors/mqtt/old-brokers.ts"
import { ConnectionLost, type Target } from "../../../src/messages/mqtt.ts"
import { passTime, withTestClock } from "../../../src/testing/test-clock.ts"

const target: Target = {
  host: "localhost",
  port: 1883,
  clientId: "c",
  keepalive: 60,
  cleanSession: false,
  receiveMaximum: 50,
  connectWithinMs: 1_000
}

it("asks it in MQTT 5 again after an hour, and any other broker at once", () =>
  withTestClock(
    Effect.gen(function* () {
      const asked: Array<string> = []
      const attempt = ({ port, receiveMaximum }: Target) =>
        Effect.suspend(() => {
          asked.push(`${port} in ${receiveMaximum === undefined ? "3.1.1" : "5"}`)
          if (receiveMaximum === undefined) return Effect.void
          const refusal = new ConnectionLost({ host: "localhost", port, stage: "connecting", detail: "" })
          return Effect.fail(new Unopened({ refusal, isOfOldBroker: true }))
        })
      const brokers = new OldBrokers()
      const ask = (port: number) => brokers.ask({ ...target, port }, attempt)
      yield* ask(1883)
      yield* passTime("59 minutes")
      yield* ask(1883)
      yield* ask(1884)
      yield* passTime("1 minute")
      yield* ask(1883)
      expect(asked).toEqual([
        "1883 in 5",
        "1883 in 3.1.1",
        "1883 in 3.1.1",
        "1884 in 5",
        "1884 in 3.1.1",
        "1883 in 5",
        "1883 in 3.1.1"
      ])
    })
  ))
