/**
 * The mapper's actors under every order of events: messages, lost links, a token that comes and goes, a wrong PIN,
 * crashes, time. Brokers and token are scripted, the clock is the test's.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { MapperPlan } from "../../../../src/cli/services/mapper/mapper-plan.ts"
import type { CryptokiProtocol } from "../../../../src/messages/cryptoki.ts"
import { DialFailed, type MqttMessage } from "../../../../src/messages/mqtt.ts"
import type { ActorRef } from "../../../../src/runtime/protocol.ts"
import { fakeToken } from "../../../../src/testing/fake-token.ts"
import { passTime, settled, withTestClock } from "../../../../src/testing/test-clock.ts"
import { FakeBroker } from "../../../support/broker/fake-link.ts"
import { planFrom, startTestMapper, type TestMapper } from "../../../support/device/mapper.ts"
import { quietly } from "../../../support/quietly.ts"

let dir: string
let plan: MapperPlan
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "tedge-model-"))
  plan = await Effect.runPromise(
    planFrom(
      dir,
      `[device]
id = "dev01"
cert_path = "/none"
key_uri = "pkcs11:object=device"
[device.cryptoki]
mode = "module"
module_path = "/none"
[c8y]
url = "cloud.example"
`
    )
  )
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const bridgeClient = "tedge-mapper-bridge-c8y"
const deviceClient = "dev01"
const reasonTopic = `te/device/main/service/${bridgeClient}/status/reason`
const healthTopic = `te/device/main/service/${bridgeClient}/status/health`

type Command =
  | { readonly do: "publish"; readonly at: "local" | "cloud"; readonly qos: 0 | 1 }
  | { readonly do: "drop" | "breakDown" | "comeBack"; readonly what: "local" | "cloud" }
  | { readonly do: "unplug" | "plug" | "changePin" | "withhold" | "acknowledge" }
  | { readonly do: "crash"; readonly actor: string }
  | { readonly do: "wait"; readonly seconds: number }

const side = fc.constantFrom("local" as const, "cloud" as const)

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("publish" as const),
      at: side,
      qos: fc.constantFrom(1 as const, 1 as const, 0 as const)
    })
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom("drop" as const, "breakDown" as const, "comeBack" as const),
      what: side
    })
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom(
        "unplug" as const,
        "plug" as const,
        "changePin" as const,
        "withhold" as const,
        "acknowledge" as const
      )
    })
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("crash" as const),
      actor: fc
        .constantFrom("bridge", "local", "cloud", "service", "health", "cryptoki")
        .map((name) => `mapper/${name}`)
    })
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("wait" as const), seconds: fc.constantFrom(0, 1, 5, 30, 120, 900) })
  }
)

class World {
  readonly local = new FakeBroker()
  readonly cloud = new FakeBroker()
  readonly sentOutbound: Array<string> = []
  cryptoki: ActorRef<CryptokiProtocol> | undefined
  hasCrashed = false
  private count = 0

  message(topic: string, qos: 0 | 1): MqttMessage {
    return { topic, payload: Buffer.from(`${qos}-${++this.count}`), qos, retain: false }
  }
}

const startWorld = (world: World) =>
  startTestMapper({
    plan,
    connect: (cryptoki) => {
      world.cryptoki = cryptoki
      const toCloud = world.cloud.connect(cryptoki)
      const toLocal = world.local.connect()
      return (target, receiver) => (target.tls === undefined ? toLocal : toCloud)(target, receiver)
    },
    token: (onEvent) => {
      const token = fakeToken({ defaultPin: "123456", onEvent })
      token.addKey("device", "01")
      return token
    }
  })

const nobodyListens = new DialFailed({ host: "fake", port: 1, code: "ECONNREFUSED", detail: "" })

const obey = (world: World, mapper: TestMapper, one: Command): Effect.Effect<void> => {
  const { token } = mapper
  switch (one.do) {
    case "publish": {
      const message = world.message(one.at === "local" ? "c8y/s/us" : "s/ds", one.qos)
      return Effect.sync(() => {
        const client = one.at === "local" ? bridgeClient : deviceClient
        const isKept = world[one.at].send(client, message)
        if (isKept && one.at === "local" && one.qos === 1) world.sentOutbound.push(String(message.payload))
      })
    }
    case "drop":
      return Effect.sync(() => world[one.what].dropAll())
    case "breakDown":
      return Effect.sync(() => {
        world[one.what].refusal = nobodyListens
        world[one.what].dropAll()
      })
    case "comeBack":
      return Effect.sync(() => {
        world[one.what].refusal = undefined
      })
    case "unplug":
      return Effect.sync(token.unplug)
    case "plug":
      return Effect.sync(token.plug)
    case "changePin":
      return Effect.sync(() => {
        token.state.pin = "another"
      })
    case "withhold":
      return Effect.sync(() => {
        world.cloud.acknowledges = false
      })
    case "acknowledge":
      return Effect.sync(() => {
        world.cloud.acknowledges = true
        world.cloud.acknowledgeAll()
      })
    case "crash":
      // Not more often than a supervisor puts up with.
      return Effect.andThen(mapper.crash(one.actor), passTime("30 seconds"))
    case "wait":
      return passTime(one.seconds * 1000)
  }
}

const payloads = (broker: FakeBroker) => new Set(broker.published.map(({ payload }) => String(Buffer.from(payload))))

/** What is true at any moment. */
const check = (world: World, mapper: TestMapper): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { local, cloud } = world
    const [inCloud, atLocal] = [payloads(cloud), payloads(local)]
    for (const payload of local.acknowledged) expect(inCloud).toContain(payload)
    for (const payload of cloud.acknowledged) expect(atLocal).toContain(payload)
    for (const node of yield* mapper.graph) expect(node.depth).toBeLessThanOrEqual(node.capacity)
    expect(mapper.token.state.triesLeft).toBeGreaterThanOrEqual(2)
    if (local.isConnected(bridgeClient) && local.retained.get(healthTopic) === `{"status":"up"}`)
      expect(cloud.isConnected(deviceClient)).toBe(true)
  })

/** Every fault is repaired, and a person has cleared the PIN latch. */
const recover = (world: World, mapper: TestMapper) =>
  Effect.gen(function* () {
    const { local, cloud, cryptoki } = world
    mapper.token.state.pin = "123456"
    if (cryptoki !== undefined)
      yield* Effect.ignore(cryptoki.ask("ClearPinLatch", { token: {} }, { within: "1 second" }))
    local.refusal = undefined
    cloud.refusal = undefined
    cloud.acknowledges = true
    cloud.acknowledgeAll()
    mapper.token.plug()
    yield* passTime("30 minutes")
  })

const live = (commands: ReadonlyArray<Command>) =>
  withTestClock(
    quietly(
      Effect.gen(function* () {
        const world = new World()
        const mapper = yield* startWorld(world)
        yield* settled
        for (const one of commands) {
          yield* obey(world, mapper, one)
          yield* settled
          yield* check(world, mapper)
        }
        yield* recover(world, mapper)
        yield* check(world, mapper)
        const arrived = payloads(world.cloud)
        for (const payload of world.sentOutbound) expect(arrived).toContain(payload)
        expect(world.local.waitingFor(bridgeClient)).toBe(0)
        expect(world.cloud.waitingFor(deviceClient)).toBe(0)
        expect(world.local.retained.get(healthTopic)).toBe(`{"status":"up"}`)
        const { counters } = yield* mapper.bridge.ask("Status", undefined, { within: "1 second" })
        expect(counters.waiting).toBe(0)
      })
    )
  )

describe("the actors of a mapper", () => {
  it("name a parked token in the reason, while the cloud is connected, until it works again", () =>
    withTestClock(
      quietly(
        Effect.gen(function* () {
          const world = new World()
          const mapper = yield* startWorld(world)
          yield* settled
          // Longer than its supervisor's pauses, six within a minute.
          for (const seconds of [2, 3, 6, 11, 21, 1]) {
            yield* mapper.crash("mapper/cryptoki")
            yield* passTime(seconds * 1000)
          }
          expect(world.local.retained.get(healthTopic)).toBe(`{"status":"up"}`)
          const parked = /^mapper\/cryptoki is parked after repeated failures, next try at \d{4}-\S+Z$/
          expect(world.local.retained.get(reasonTopic)).toMatch(parked)
          yield* mapper.crash("mapper/health")
          world.local.retained.set(reasonTopic, "")
          yield* passTime("5 seconds")
          expect(world.local.retained.get(reasonTopic)).toMatch(parked)
          yield* passTime("5 minutes")
          expect(world.local.retained.get(reasonTopic) ?? "").toBe("")
        })
      )
    ))

  it("acknowledge nothing early, lose nothing, keep their bounds, try no PIN twice and report correctly", () =>
    fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 40 }), (commands) => live(commands)),
      { numRuns: 60 }
    ))
})
