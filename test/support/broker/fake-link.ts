/**
 * A broker that exists only in memory, for links on a test clock.
 *
 * It keeps sessions as a broker does: what a client with a persistent session has not acknowledged is redelivered.
 * Whether it answers, refuses, acknowledges or disconnects is the test's to say, at any time.
 */
import { Clock, Deferred, Effect, Result, type Scope } from "effect"
import type { BrokerConnection, Connect, InboundHandler } from "../../../src/actors/mqtt/broker-connection.ts"
import type { CryptokiProtocol } from "../../../src/messages/cryptoki.ts"
import {
  ConnectionLost,
  type MqttMessage,
  type MqttRefusal,
  SigningFailed,
  type Target
} from "../../../src/messages/mqtt.ts"
import { AskTimeout, PeerDown, Undeliverable } from "../../../src/runtime/errors.ts"
import { monotonicMs } from "../../../src/runtime/primitives/monotonic-time.ts"
import type { ActorRef } from "../../../src/runtime/protocol.ts"

export class FakeBroker {
  /** Every new connection fails with it, as long as it is set. */
  refusal: MqttRefusal | undefined
  /** False: publishes of QoS 1 wait for `acknowledgeAll`. */
  acknowledges = true
  /** Return code for these filters in SUBACK; others are granted. */
  readonly refusedFilters = new Set<string>()
  /** SUBACK comes when this is released. */
  suback: Effect.Effect<void> = Effect.void
  /** How many unacknowledged messages of QoS 1 a client is sent at most. */
  window = 20
  /** What clients published and the broker took, in order; retained ones too. */
  readonly published: Array<MqttMessage & { readonly clientId: string }> = []
  readonly retained = new Map<string, string>()
  /** Messages of QoS 1 that a client has acknowledged, by payload. */
  readonly acknowledged = new Set<string>()
  /** Clients that left with DISCONNECT. */
  readonly disconnected: Array<string> = []
  connects = 0
  subscribes: Array<ReadonlyArray<string>> = []
  private readonly sessions = new Map<string, Session>()
  private unanswered: Array<() => void> = []

  /** The cryptoki ref signs for targets whose key is in a token, once a connection. */
  connect(cryptoki?: ActorRef<CryptokiProtocol>): Connect {
    return (target, handler) => Effect.suspend(() => this.accept(target, handler, cryptoki))
  }

  /** A message from another client that matches a subscription of this one. False: the broker knows no such client. */
  send(clientId: string, message: MqttMessage): boolean {
    const session = this.sessions.get(clientId)
    if (session === undefined) return false
    if (message.qos === 0) session.client?.handler.onMessage({ packetId: undefined, message })
    else session.queue.push({ message, sentBy: 0 })
    this.push(session)
    return true
  }

  acknowledgeAll(): void {
    const answers = this.unanswered
    this.unanswered = []
    for (const answer of answers) answer()
  }

  /** The connection breaks; the session stays if it is persistent. */
  drop(clientId: string): void {
    this.sessions.get(clientId)?.client?.end(lostConnection)
  }

  dropAll(): void {
    for (const clientId of this.sessions.keys()) this.drop(clientId)
  }

  /** As after a restart without persistence. */
  forgetSessions(): void {
    this.dropAll()
    this.sessions.clear()
  }

  isConnected(clientId: string): boolean {
    return this.sessions.get(clientId)?.client !== undefined
  }

  /** Messages of QoS 1 that wait for the client or its acknowledgement. */
  waitingFor(clientId: string): number {
    return this.sessions.get(clientId)?.queue.length ?? 0
  }

  private accept(
    target: Target,
    handler: InboundHandler,
    cryptoki: ActorRef<CryptokiProtocol> | undefined
  ): Effect.Effect<BrokerConnection, MqttRefusal, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      this.connects += 1
      if (this.refusal !== undefined) return yield* Effect.fail(this.refusal)
      const { identity } = target.tls ?? {}
      if (identity?.kind === "token" && cryptoki !== undefined) yield* signOnce(target, cryptoki)
      this.sessions.get(target.clientId)?.client?.end(lostConnection)
      const kept = target.cleanSession ? undefined : this.sessions.get(target.clientId)
      const session: Session = kept ?? { clientId: target.clientId, queue: [], client: undefined }
      this.sessions.set(target.clientId, session)
      const ended = Deferred.makeUnsafe<MqttRefusal>()
      const client: Client = {
        handler,
        number: this.connects,
        nextPacketId: 1,
        end: (refusal) => {
          if (session.client === client) session.client = undefined
          if (!Deferred.doneUnsafe(ended, Effect.succeed(refusal))) return
          if (target.will !== undefined && refusal !== leftPolitely) this.take(target.clientId, target.will)
        }
      }
      yield* Effect.addFinalizer(() => Effect.sync(() => client.end(lostConnection)))
      session.client = client
      // After the client has heard of CONNACK, as over a network.
      yield* Effect.forkScoped(Effect.sync(() => this.push(session)))
      const clock = yield* Clock.Clock
      return this.connection(session, client, ended, kept !== undefined, () => monotonicMs(clock))
    })
  }

  private connection(
    session: Session,
    client: Client,
    ended: Deferred.Deferred<MqttRefusal>,
    sessionPresent: boolean,
    now: () => number
  ): BrokerConnection {
    const awaited = new Set<{ readonly since: number }>()
    const publish = (message: MqttMessage) =>
      Effect.suspend(() => {
        const one = { since: now() }
        if (message.qos === 1) awaited.add(one)
        return Effect.tap(orEnded(this.publishFrom(session.clientId, message)), () =>
          Effect.sync(() => awaited.delete(one))
        )
      })
    const orEnded = <A>(effect: Effect.Effect<A>) =>
      Effect.raceFirst(effect, Effect.flatMap(Deferred.await(ended), Effect.fail))
    return {
      sessionPresent,
      handshake: undefined,
      unacknowledged: {
        get count() {
          return awaited.size
        },
        isSilent: (limitMs) => [...awaited].some(({ since }) => now() - since >= limitMs),
        overtaken: () => 0
      },
      withheld: Effect.succeed(0),
      publish,
      publishAll: (messages) =>
        Effect.map(
          Effect.forEach(messages, (message) => Effect.result(publish(message)), {
            concurrency: "unbounded"
          }),
          (results) =>
            results.flatMap((result, index) => (Result.isFailure(result) ? [{ index, refusal: result.failure }] : []))
        ),
      subscribe: (filters) =>
        orEnded(
          Effect.andThen(
            this.suback,
            Effect.sync(() => {
              this.subscribes.push(filters)
              return filters.map((filter) => (this.refusedFilters.has(filter) ? 128 : 1))
            })
          )
        ),
      acknowledge: (packetIds) =>
        Effect.sync(() => {
          for (const packetId of packetIds) this.acknowledge(session, client, packetId)
        }),
      ended: Deferred.await(ended),
      disconnect: Effect.sync(() => {
        this.disconnected.push(session.clientId)
        client.end(leftPolitely)
      })
    }
  }

  private publishFrom(clientId: string, message: MqttMessage): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const answer = () => {
        this.take(clientId, message)
        resume(Effect.void)
      }
      if (this.acknowledges || message.qos === 0) answer()
      else this.unanswered.push(answer)
      return Effect.sync(() => {
        this.unanswered = this.unanswered.filter((other) => other !== answer)
      })
    })
  }

  private take(clientId: string, message: MqttMessage): void {
    this.published.push({ ...message, clientId })
    if (message.retain) this.retained.set(message.topic, String(Buffer.from(message.payload)))
  }

  private push(session: Session): void {
    const { client } = session
    if (client === undefined) return
    for (const entry of session.queue.slice(0, this.window)) {
      if (entry.sentBy === client.number) continue
      entry.sentBy = client.number
      entry.packetId = client.nextPacketId++
      client.handler.onMessage({ packetId: entry.packetId, message: entry.message })
    }
  }

  private acknowledge(session: Session, client: Client, packetId: number): void {
    if (session.client !== client) return
    const entry = session.queue.find((one) => one.sentBy === client.number && one.packetId === packetId)
    if (entry === undefined) return
    session.queue.splice(session.queue.indexOf(entry), 1)
    this.acknowledged.add(String(Buffer.from(entry.message.payload)))
    this.push(session)
  }
}

interface Session {
  readonly clientId: string
  readonly queue: Array<{ readonly message: MqttMessage; sentBy: number; packetId?: number }>
  client: Client | undefined
}

interface Client {
  readonly handler: InboundHandler
  readonly number: number
  nextPacketId: number
  readonly end: (refusal: MqttRefusal) => void
}

const lostConnection = new ConnectionLost({ host: "fake", port: 1, stage: "connected", detail: "" })

const leftPolitely = new ConnectionLost({ host: "fake", port: 1, stage: "connected", detail: "DISCONNECT" })

const signOnce = (target: Target, cryptoki: ActorRef<CryptokiProtocol>): Effect.Effect<void, MqttRefusal> => {
  const { identity } = target.tls ?? {}
  if (identity?.kind !== "token") return Effect.void
  const within = { within: target.connectWithinMs }
  const message = Buffer.from("CertificateVerify")
  return Effect.gen(function* () {
    const offered = ["ecdsa_secp256r1_sha256"] as const
    const chosen = yield* cryptoki.ask("ChooseScheme", { offered, key: identity.key }, within)
    yield* cryptoki.ask("Sign", { key: chosen.key, scheme: chosen.scheme, message }, within)
  }).pipe(
    Effect.asVoid,
    Effect.mapError((failure) =>
      failure instanceof AskTimeout || failure instanceof PeerDown || failure instanceof Undeliverable
        ? new ConnectionLost({ host: target.host, port: target.port, stage: "connecting", detail: failure._tag })
        : new SigningFailed({ host: target.host, cause: failure })
    )
  )
}
