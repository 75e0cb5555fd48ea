/**
 * A service that signs or forwards for days leaves its garbage to the short collections of V8: what reaches its old generation
 * waits for a full one, and is moved about until then.
 */
import { setImmediate as turn } from "node:timers/promises"
import { Effect, Scheduler, type Scope, Semaphore } from "effect"
import { expect, it } from "vitest"
import { type BridgeOptions, bridgeBehaviour, bridgeMailbox } from "../../src/actors/bridge/bridge-actor.ts"
import type { BrokerConnection, Connect, InboundHandler } from "../../src/actors/mqtt/broker-connection.ts"
import type { LinkOptions } from "../../src/actors/mqtt/link/link.ts"
import { linkBehaviour, linkMailbox } from "../../src/actors/mqtt/link/link-actor.ts"
import { answerRequest } from "../../src/actors/p11-server/answer-request.ts"
import { type Outcome, readRequest } from "../../src/actors/p11-server/exchange.ts"
import { Metrics } from "../../src/actors/p11-server/metrics.ts"
import { ClientConnections } from "../../src/actors/p11-server/p11-server-actor.ts"
import { accessOf, SelectorCache } from "../../src/actors/p11-server/request-context.ts"
import { StatusFeed } from "../../src/actors/status/status-feed.ts"
import { serverStatus } from "../../src/cli/services/p11-server/server-status.ts"
import type { BridgeProtocol, HealthProtocol } from "../../src/messages/bridge.ts"
import type { LinkProtocol, Side } from "../../src/messages/mqtt.ts"
import type { P11ServerEvent } from "../../src/messages/p11-server.ts"
import { encodeFrame, type Frame } from "../../src/messages/wire/frame1.ts"
import type { UnixStream } from "../../src/platform/sockets/unix-stream.ts"
import { address, child } from "../../src/runtime/actor.ts"
import { timeLimits } from "../../src/runtime/primitives/deadlines.ts"
import { withRuntimeClock } from "../../src/runtime/primitives/runtime-clock.ts"
import { turnScheduler } from "../../src/runtime/primitives/turn-scheduler.ts"
import { spanned } from "../../src/runtime/span.ts"
import { Supervisor } from "../../src/runtime/supervisor.ts"
import { later } from "../support/later.ts"
import { keptForEach } from "../support/old-generation.ts"
import { quietly } from "../support/quietly.ts"
import { startFake } from "./cryptoki/host/fake-host.ts"
import { defaultServerLimits } from "./p11-server/default-limits.ts"

/**
 * Bytes for each. Those of V8 itself are below 50, as they are shared by all pieces. A closure, a spread or a table on the way
 * of each leaves 120 to 1000.
 */
const nothing = 100
const pieces = 8000

// As long as CertificateVerify of TLS 1.3.
const asked = { toSign: new Uint8Array(130), uri: "pkcs11:token=t;object=k", pin: undefined }
const withScheme = { _tag: "SignRequestWithSigScheme", ...asked, scheme: "ecdsa_secp256r1_sha256" } as const
const requests: ReadonlyArray<readonly [string, Frame]> = [
  ["with a scheme", withScheme],
  ["of an older client", { _tag: "SignRequest", ...asked }]
]

it.each(requests)("a signature %s leaves nothing for a full collection", (_, request) =>
  run(
    Effect.gen(function* () {
      const sign = yield* signingService(request)
      expect(yield* Effect.promise(sign)).toBe("served")
      const clients = 16
      const signAll = async (count: number) => {
        const client = async () => {
          for (let n = 0; n < count / clients; n++) await sign()
        }
        await Promise.all(Array.from({ length: clients }, client))
      }
      expect(yield* Effect.promise(() => keptForEach(pieces, signAll))).toBeLessThan(nothing)
    })
  )
)

it.each([
  // Each in a batch of its own: messages that are acknowledged together would be one batch for ever.
  ["with others in flight", () => turn()],
  ["alone in flight", (forwarded: Promise<void>): Promise<void> => forwarded]
])("a message %s leaves nothing for a full collection", (_, untilNext) =>
  run(
    Effect.gen(function* () {
      const forward = yield* bridge
      const forwardAll = async (count: number) => {
        let last = Promise.resolve()
        for (let n = 0; n < count; n++) {
          last = forward()
          await untilNext(last)
        }
        await last
      }
      expect(yield* Effect.promise(() => keptForEach(pieces, forwardAll))).toBeLessThan(nothing)
    })
  )
)

/** As the programs do, without a collector of traces. */
const run = (scenario: Effect.Effect<void, never, Scope.Scope>): Promise<void> =>
  Effect.scoped(scenario).pipe(
    quietly,
    withRuntimeClock,
    Effect.withTracerEnabled(false),
    Effect.provideService(Scheduler.Scheduler, turnScheduler()),
    Effect.runPromise
  )

/** A client of the signing service: all that a signature passes but the socket and the token host. */
const signingService = (request: Frame): Effect.Effect<() => Promise<Outcome>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { ref: cryptoki, module } = yield* startFake()
    const times = yield* timeLimits
    const fork = Effect.runForkWith(yield* Effect.context<never>())
    const metrics = new Metrics()
    const status = serverStatus(new StatusFeed())
    const publish = (event: P11ServerEvent) => {
      metrics.record(event)
      return status.onRequest(event, "uri" in event ? metrics.tokenIn(event.uri) : "")
    }
    const connections = new ClientConnections()
    const policy = { scope: undefined, defaultPin: undefined, rules: [], limits: defaultServerLimits }
    const selectors = new SelectorCache()
    const initialising = Semaphore.makeUnsafe(1)
    const onIgnored = () => Effect.void
    const bytes = encodeFrame(request)
    const stream = {
      readToEnd: (_limit, done) => done(bytes.slice()),
      finish: (_answer, done) => done("written"),
      close: () => undefined
    } satisfies Pick<UnixStream, "readToEnd" | "finish" | "close"> as UnixStream
    return () => {
      const { promise, resolve } = later<Outcome>()
      const client = { uid: 1000, gid: 1000, pid: 1 }
      // Neither root nor the user of the service.
      const context = { cryptoki, policy, access: accessOf(client, [], 1), selectors, initialising, onIgnored }
      const answer = (frame: Frame) =>
        spanned("signing request", { kind: "server", work: frame._tag }, answerRequest(context, frame))
      const connection = connections.add(stream, client)
      const exchange = { stream, client, limits: policy.limits, times, scope: undefined, answer, publish }
      connection.asking = readRequest(exchange, (_next, serving) => {
        const served = Effect.map(serving, (outcome) => {
          connections.count(outcome)
          resolve(outcome)
        })
        const ended = Effect.sync(() => {
          connections.end(connection)
          module.asked.length = 0
        })
        connection.fiber = fork(Effect.ensuring(served, ended))
      })
      return promise
    }
  })

/**
 * Forwards a message, from the local broker to its PUBACK, which comes in order: a bridge between two links whose brokers are in
 * memory.
 */
const bridge: Effect.Effect<() => Promise<void>, never, Scope.Scope> = Effect.gen(function* () {
  const local = yield* address<LinkProtocol>({ name: "local", mailbox: linkMailbox })
  const cloud = yield* address<LinkProtocol>({ name: "cloud", mailbox: linkMailbox })
  const bridge = yield* address<BridgeProtocol>({ name: "bridge", mailbox: bridgeMailbox })
  // It is not started: the few messages for it wait.
  const health = yield* address<HealthProtocol>({ name: "health", mailbox: linkMailbox })
  const localHandler = later<InboundHandler>()
  // Not a Map: its old table would keep what was in it.
  const acknowledged = new Array<(() => void) | undefined>(mostPacketIds)
  const connection = connectionOf((packetId) => acknowledged[packetId]?.())
  const dial: Connect = ({ clientId }, handler) =>
    Effect.sync(() => {
      if (clientId === "local") localHandler.resolve(handler)
      return connection
    })
  const permanent = { restart: "permanent" } as const
  const tree = Supervisor.start({
    name: "mapper",
    strategy: "one_for_one",
    intensity: { max: 1, within: "1 minute" },
    backoff: { initial: "1 second", maximum: "1 second", factor: 1, jitter: 0, resetAfter: "1 minute" },
    onExhausted: "escalate",
    children: [
      child(local, linkBehaviour(linkOptions("local"), dial, bridge.ref), permanent),
      child(cloud, linkBehaviour(linkOptions("cloud"), dial, bridge.ref), permanent),
      child(
        bridge,
        bridgeBehaviour(bridgeOptions, { local: local.ref, cloud: cloud.ref, health: health.ref }),
        permanent
      )
    ]
  })
  yield* Effect.orDie(tree)
  const { onMessage } = yield* Effect.promise(() => localHandler.promise)
  let packetId = 0
  return () => {
    const { promise, resolve } = later<void>()
    packetId = (packetId + 1) % mostPacketIds
    acknowledged[packetId] = resolve
    onMessage({ packetId, message: { topic: "c8y/s/us", payload, qos: 1, retain: false } })
    return promise
  }
})

/** More than are in flight. */
const mostPacketIds = 64

const payload = Buffer.from("200,c8y_Temperature,T,25")

/** PUBACK comes some turns of the event loop after its PUBLISH. */
const connectionOf = (onAcknowledged: (packetId: number) => void): BrokerConnection => ({
  sessionPresent: false,
  handshake: undefined,
  publish: () => Effect.void,
  publishAll: () =>
    Effect.callback((resume) => {
      const answer = (turns: number): void => {
        if (turns === 0) resume(Effect.succeed([]))
        else setImmediate(answer, turns - 1)
      }
      answer(turnsUntilPuback)
    }),
  unacknowledged: { count: 0, isSilent: () => false, overtaken: () => 0 },
  subscribe: (filters) => Effect.succeed(filters.map(() => 1)),
  acknowledge: (packetIds) => Effect.sync(() => packetIds.forEach(onAcknowledged)),
  withheld: Effect.succeed(0),
  ended: Effect.never,
  disconnect: Effect.void
})

const turnsUntilPuback = 8

const bridgeOptions: BridgeOptions = {
  rules: [{ direction: "outbound", filter: "c8y/s/us", strip: "c8y/", add: "" }],
  maxPayloadSize: 16_384,
  maxPayloadSetting: "c8y.mapper.mqtt.max_payload_size",
  check: {
    question: () => ({ topic: "s/uat", payload: new Uint8Array(0), qos: 1, retain: false }),
    judge: () => "other"
  }
}

const linkOptions = (side: Side): LinkOptions => ({
  side,
  target: { host: "memory", port: 1, clientId: side, keepalive: 60, cleanSession: false, connectWithinMs: 5_000 },
  filters: side === "local" ? ["c8y/s/us"] : [],
  neededFilters: [],
  backOff: { initialMs: 1_000, maximumMs: 8_000, resetAfterMs: 60_000 },
  onConnect: [],
  onDisconnect: [],
  log: { target: "MQTT bridge", name: "MQTT bridge", isSecond: false },
  bounds: {
    window: 100,
    windowBytes: 1_000_000,
    waitingQos0: 100,
    waitingQos0Bytes: 1_000_000,
    waitingQos1: 100,
    waitingQos1Bytes: 1_000_000
  }
})
