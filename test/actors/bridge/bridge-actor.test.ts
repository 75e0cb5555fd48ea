/** BridgeActor between two scripted links: what it publishes, what it acknowledges, and when. */
import { Effect, Exit, Logger, Scope } from "effect"
import { describe, expect, it } from "vitest"
import { BrokerRefused, ConnectionLost } from "../../../src/messages/mqtt.ts"
import { passTime, settled, withTestClock } from "../../../src/testing/test-clock.ts"
import { down, place, run, startBridge, up } from "./scripted-bridge.ts"

describe("BridgeActor", () => {
  it("is up only while both links are", () =>
    run(
      Effect.gen(function* () {
        const { health, change } = yield* startBridge
        yield* change("local", up(false))
        yield* change("cloud", up(false))
        yield* change("local", down)
        yield* change("local", up(true))
        expect(health).toEqual(["down", "up", "down", "up"])
      })
    ))

  it("acknowledges a message to its sender once the receiving side has it, and immediately if no rule matches", () =>
    run(
      Effect.gen(function* () {
        const { local, cloud, change, receive } = yield* startBridge
        yield* change("local", up(false))
        yield* receive("local", 1, "aws/td/a")
        yield* receive("local", 2, "te/unrelated")
        expect(local.acknowledged).toEqual([2])
        yield* change("cloud", up(false))
        expect(cloud.published).toEqual(["thinedge/dev01/td/a"])
        expect(local.acknowledged).toEqual([2, 1])
      })
    ))

  it("publishes at once what a link gives it: the window is the link's", () =>
    run(
      Effect.gen(function* () {
        const { cloud, change, receive } = yield* startBridge
        cloud.outcome = "pending"
        yield* change("cloud", up(false))
        for (let n = 1; n <= 10; n++) yield* receive("local", n, "aws/td/a")
        expect(cloud.mostWaiting).toBe(10)
      })
    ))

  it("tries a message of QoS 1 again after its connection was lost, and one of QoS 0 not", () =>
    run(
      Effect.gen(function* () {
        const { bridge, local, cloud, change, receive } = yield* startBridge
        cloud.outcome = "pending"
        yield* change("local", up(false))
        yield* change("cloud", up(false))
        cloud.outcome = "cutOff"
        yield* Effect.forkChild(change("cloud", down))
        yield* receive("local", 1, "aws/td/zero", 0)
        yield* receive("local", 2, "aws/td/one", 1)
        cloud.outcome = "accepted"
        yield* change("cloud", up(false))
        expect(cloud.published).toContain("thinedge/dev01/td/one")
        expect([...local.acknowledged].sort()).toEqual([1, 2])
        const { counters } = yield* bridge.ask("Status", undefined, { within: "1 second" })
        expect(counters.waiting).toBe(0)
      })
    ))

  it("tries of what came together only that again which was not acknowledged, and drops what the broker refuses", () =>
    run(
      Effect.gen(function* () {
        const { bridge, local, cloud, change } = yield* startBridge
        yield* change("local", up(false))
        yield* change("cloud", up(false))
        cloud.failures.set("thinedge/dev01/td/cut", new ConnectionLost({ ...place, stage: "connected", detail: "" }))
        cloud.failures.set("thinedge/dev01/td/refused", new BrokerRefused({ ...place, code: 135, detail: "" }))
        const deliveries = ["through", "cut", "refused", "last"].map((name, n) => ({
          delivery: n + 1,
          message: { topic: `aws/td/${name}`, payload: Buffer.from("x"), qos: 1 as const, retain: false }
        }))
        yield* Effect.ignore(bridge.tell("Received", { side: "local", deliveries }))
        yield* settled
        yield* change("cloud", down)
        yield* change("cloud", up(false))
        expect(cloud.published).toEqual(["through", "last", "cut"].map((name) => `thinedge/dev01/td/${name}`))
        expect(local.acknowledged).toEqual([1, 2, 3, 4])
        const { counters } = yield* bridge.ask("Status", undefined, { within: "1 second" })
        expect(counters).toMatchObject({ outbound: 3, dropped: 1, waiting: 0 })
      })
    ))

  it("finishes what is in progress when it is stopped, and leaves what cannot be finished to its broker", () =>
    run(
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { local, cloud, change, receive } = yield* Scope.provide(startBridge, scope)
        cloud.outcome = "slow"
        yield* change("local", up(false))
        yield* change("cloud", up(false))
        yield* receive("local", 1, "aws/td/a")
        yield* receive("cloud", 1, "thinedge/dev01/cmd/a")
        yield* change("local", down)
        yield* receive("cloud", 2, "thinedge/dev01/cmd/b")
        const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        yield* passTime("4 seconds")
        expect(cloud.published).toEqual(["thinedge/dev01/td/a"])
        expect(local.acknowledged).toEqual([1])
        expect(cloud.acknowledged).toEqual([1])
        yield* passTime("1 minute")
        expect(stopping.pollUnsafe()).toBeDefined()
      })
    ))

  it("does not wait for a broker that is away when it is stopped", () =>
    run(
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { local, change, receive } = yield* Scope.provide(startBridge, scope)
        yield* change("local", up(false))
        yield* receive("local", 1, "aws/td/a")
        const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        yield* passTime("1 second")
        expect(stopping.pollUnsafe()).toBeDefined()
        expect(local.acknowledged).toEqual([])
      })
    ))

  it("drops what is redelivered, and keeps what its broker has lost", () =>
    run(
      Effect.gen(function* () {
        const { local, cloud, change, receive } = yield* startBridge
        yield* change("local", up(false))
        yield* receive("local", 1, "aws/td/forgotten")
        yield* change("local", down)
        yield* change("local", up(false))
        yield* receive("local", 2, "aws/td/again")
        yield* change("local", down)
        yield* change("local", up(true))
        yield* receive("local", 3, "aws/td/again")
        yield* change("cloud", up(false))
        expect([...cloud.published].sort()).toEqual(["thinedge/dev01/td/again", "thinedge/dev01/td/forgotten"])
        expect([...local.acknowledged].sort()).toEqual([1, 2, 3])
      })
    ))

  it("swallows its own echo where a topic is bridged both ways, and passes what the cloud says itself", () =>
    run(
      Effect.gen(function* () {
        const { local, cloud, change, receive } = yield* startBridge
        yield* change("local", up(false))
        yield* change("cloud", up(false))
        yield* receive("local", 1, "aws/shadow/update")
        expect(cloud.published).toEqual(["$aws/things/dev01/shadow/update"])
        yield* receive("cloud", 1, "$aws/things/dev01/shadow/update")
        expect(local.published).toEqual([])
        yield* receive("cloud", 2, "$aws/things/dev01/shadow/update")
        expect(local.published).toEqual(["aws/shadow/update"])
        yield* receive("local", 2, "aws/shadow/update")
        expect(cloud.published).toHaveLength(1)
        expect(cloud.acknowledged).toEqual([1, 2])
      })
    ))

  it("hears itself where that is how the connection is checked", () =>
    run(
      Effect.gen(function* () {
        const { local, cloud, change, receive } = yield* startBridge
        yield* change("local", up(false))
        yield* change("cloud", up(false))
        yield* receive("local", 1, "aws/test-connection")
        expect(cloud.published).toEqual(["thinedge/devices/dev01/test-connection"])
        yield* receive("cloud", 1, "thinedge/devices/dev01/test-connection")
        expect(local.published).toEqual(["aws/connection-success"])
      })
    ))

  it("drops a message whose topic has no room for the prefix of the other side, and says so", () => {
    const said: Array<unknown> = []
    const noting = Logger.make(({ message }) => void said.push(message))
    return withTestClock(
      Effect.gen(function* () {
        const { bridge, local, cloud, change, receive } = yield* startBridge
        yield* change("cloud", up(false))
        yield* receive("local", 1, `aws/td/${"x".repeat(65_528)}`)
        expect(cloud.published).toEqual([])
        expect(local.acknowledged).toEqual([1])
        const { counters } = yield* bridge.ask("Status", undefined, { within: "1 second" })
        expect(counters.dropped).toBe(1)
        expect(String(said)).toContain("is not a valid topic to publish on")
      }).pipe(Effect.provide(Logger.layer([noting])))
    )
  })
})
