/** Reconnections of the mapper without a signature: with a token that is away, and never for longer than the key is proven. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { TlsOptions } from "node:tls"
import { Clock, Effect, type Scope } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import { type Connect, connectWith } from "../../../../src/actors/mqtt/broker-connection.ts"
import { resumptionOf, TlsTickets } from "../../../../src/actors/mqtt/dial/resumption.ts"
import type { CryptokiProtocol } from "../../../../src/messages/cryptoki.ts"
import type { MqttRefusal, Target, TlsIdentity } from "../../../../src/messages/mqtt.ts"
import type { TlsSession } from "../../../../src/platform/tls/tls-target.ts"
import { start } from "../../../../src/runtime/actor.ts"
import { RuntimeClock } from "../../../../src/runtime/primitives/runtime-clock.ts"
import { type FakeToken, fakeToken } from "../../../../src/testing/fake-token.ts"
import { startConnectProxy } from "../../../support/tls/connect-proxy.ts"
import { makeCa, testPki } from "../../../support/tls/pki.ts"
import { startTlsServer } from "../../../support/tls/tls-server.ts"

const pki = testPki()
afterAll(pki.remove)

/** Answers each CONNECT of MQTT 3.1.1 with a return code. */
const cloud = (options: TlsOptions = {}) => {
  const replies = { code: 0 }
  const server = startTlsServer(pki, options, (socket) =>
    socket.on("data", (data) => {
      if (data[0] === 0x10) socket.write(Buffer.from([0x20, 2, 0, replies.code]))
    })
  )
  return Effect.map(
    Effect.acquireRelease(
      Effect.promise(() => server),
      ({ close }) => Effect.promise(close)
    ),
    ({ port, accepted }) => ({ port, accepted, replies })
  )
}

interface Device {
  readonly token: FakeToken
  readonly certPath: string
  readonly caPath: string
  readonly identity: TlsIdentity
  readonly renew: () => void
}

const device = (): Device => {
  const token = fakeToken({ defaultPin: "123456" })
  const path = (name: string) => join(pki.dir, `${Math.random()}-${name}.pem`)
  const [certPath, caPath] = [path("device"), path("ca")]
  const publicKey = token.addKey("device", "01")
  const renew = () => writeFileSync(certPath, pki.issueFor(publicKey, "dev01"))
  renew()
  writeFileSync(caPath, pki.caPem)
  return { token, certPath, caPath, renew, identity: { kind: "token", certPath, key: { uri: { object: "device" } } } }
}

const targetOf = ({ identity, caPath }: Pick<Device, "identity" | "caPath">, port: number): Target => ({
  host: "localhost",
  port,
  clientId: "dev01",
  keepalive: 60,
  cleanSession: true,
  connectWithinMs: 60_000,
  tls: { identity, caPath, resumesSessions: true }
})

const connecting = (token: FakeToken): Effect.Effect<Connect, never, Scope.Scope> =>
  Effect.map(
    start<CryptokiProtocol, never, never>({
      name: "cryptoki",
      mailbox: { capacity: 4, overflow: { policy: "refuse" } },
      behaviour: token.behaviour
    }),
    connectWith
  )

/** Connects and disconnects. The sessions of the server come before its CONNACK. */
const once = (connect: Connect, target: Target): Effect.Effect<"resumed" | "signed" | undefined, MqttRefusal> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { handshake, disconnect } = yield* connect(target, { acknowledged: "atOnce", onMessage: () => {} })
      yield* disconnect
      return handshake
    })
  )

const outcome = (connect: Connect, target: Target) =>
  Effect.match(once(connect, target), { onFailure: (refusal) => refusal, onSuccess: (how) => how })

const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect))

/** A cloud, a device, and a connector that has made one connection. */
const afterOne = <A>(
  test: (world: {
    readonly device: Device
    readonly target: Target
    readonly connect: Connect
    readonly server: Effect.Success<ReturnType<typeof cloud>>
  }) => Effect.Effect<A, MqttRefusal, Scope.Scope>,
  options: TlsOptions = {}
) =>
  run(
    Effect.gen(function* () {
      const server = yield* cloud(options)
      const made = device()
      const target = targetOf(made, server.port)
      const connect = yield* connecting(made.token)
      expect(yield* once(connect, target)).toBe("signed")
      return yield* test({ device: made, target, connect, server })
    })
  )

describe("a reconnection", () => {
  it("resumes with the token away, once for each session the server gave", () =>
    afterOne(({ device: { token }, target, connect }) =>
      Effect.gen(function* () {
        token.unplug()
        // Node as a server gives two sessions with a signature, and none with a resumption.
        for (let times = 0; times < 2; times++) expect(yield* once(connect, target)).toBe("resumed")
        expect(yield* outcome(connect, target)).toMatchObject({ _tag: "SigningFailed" })
        token.plug()
        expect(yield* once(connect, target)).toBe("signed")
        expect(token.signatures()).toBe(2)
      })
    ))

  it("signs on the same connection when the server refuses the session, and needs the token for that", () =>
    run(
      Effect.gen(function* () {
        const server = yield* cloud({ ticketKeys: Buffer.alloc(48, 1) })
        // A server that knows no sessions of before, as after its restart.
        const forgetful = yield* cloud({ ticketKeys: Buffer.alloc(48, 2) })
        const hosts = { "localhost:1": `127.0.0.1:${server.port}` }
        const proxy = yield* Effect.acquireRelease(
          Effect.promise(() => startConnectProxy({ hosts })),
          ({ close }) => Effect.promise(close)
        )
        const made = device()
        const connect = yield* connecting(made.token)
        const target = { ...targetOf(made, 1), proxy: { url: proxy.url } }
        expect([yield* once(connect, target), yield* once(connect, target)]).toEqual(["signed", "resumed"])
        hosts["localhost:1"] = `127.0.0.1:${forgetful.port}`
        expect(yield* once(connect, target)).toBe("signed")
        expect([forgetful.accepted.length, made.token.signatures()]).toEqual([1, 2])
        hosts["localhost:1"] = `127.0.0.1:${server.port}`
        made.token.unplug()
        expect(yield* outcome(connect, target)).toMatchObject({ _tag: "SigningFailed" })
        made.token.plug()
        expect(yield* once(connect, target)).toBe("signed")
      })
    ))

  it("signs when the target does not resume, as those of commands", () =>
    afterOne(({ device: made, target, connect }) =>
      Effect.gen(function* () {
        const { tls } = target
        if (tls === undefined) throw new Error("no TLS")
        const plain: Target = { ...target, tls: { identity: tls.identity, caPath: tls.caPath } }
        expect(yield* once(connect, plain)).toBe("signed")
        expect(yield* once(connect, target)).toBe("resumed")
        expect(made.token.signatures()).toBe(2)
      })
    ))

  it("signs after a CONNACK that refused", () =>
    afterOne(({ target, connect, server }) =>
      Effect.gen(function* () {
        server.replies.code = 5
        expect(yield* outcome(connect, target)).toMatchObject({ _tag: "BrokerRefused" })
        server.replies.code = 0
        expect(yield* once(connect, target)).toBe("signed")
      })
    ))

  it("signs with another certificate, other trusted certificates, another key", () =>
    afterOne(({ device: made, target, connect }) =>
      Effect.gen(function* () {
        made.renew()
        expect(yield* once(connect, target)).toBe("signed")
        writeFileSync(made.caPath, pki.caPem + makeCa(pki.dir, "Other CA").certPem)
        expect(yield* once(connect, target)).toBe("signed")
        const { tls } = target
        if (tls === undefined) throw new Error("no TLS")
        const identity: TlsIdentity = { kind: "token", certPath: made.certPath, key: { uri: { id: Uint8Array.of(1) } } }
        expect(yield* once(connect, { ...target, tls: { ...tls, identity } })).toBe("signed")
        expect(yield* once(connect, { ...target, host: "127.0.0.1" })).toBe("signed")
        expect(yield* once(connect, { ...target, host: "127.0.0.1" })).toBe("resumed")
      })
    ))

  it("resumes with a key file too", () =>
    run(
      Effect.gen(function* () {
        const server = yield* cloud()
        const connect = yield* connecting(fakeToken())
        const identity: TlsIdentity = { kind: "keyFile", certPath: pki.deviceCertFile, keyPath: pki.deviceKeyFile }
        const target = targetOf({ identity, caPath: pki.caFile }, server.port)
        const how = [yield* once(connect, target), yield* once(connect, target), yield* once(connect, target)]
        expect(how).toEqual(["signed", "resumed", "resumed"])
      })
    ))

  it("is not longer than 24 hours after a signature, over any number of resumptions", () => {
    let hours = 0
    const clock = new RuntimeClock({
      monotonicNanos: () => 0n,
      wallMs: () => 0,
      // The system was suspended all the time.
      bootMs: () => hours * 3_600_000
    })
    const tickets = new TlsTickets()
    const binding = Buffer.from("binding")
    const session = (): TlsSession => ({ der: Buffer.alloc(1), binding, lifetimeMs: 7 * 24 * 3_600_000 })
    const target = targetOf({ identity: { kind: "none" }, caPath: "" }, 8883)
    const connection = () =>
      Effect.runSync(
        Effect.provideService(
          resumptionOf(target, tickets, () => binding),
          Clock.Clock,
          clock
        )
      )
    connection()?.keep(session(), "signed")
    for (const at of [1, 12, 23, 24, 25]) {
      hours = at
      const next = connection()
      const used = next?.take()
      expect([at, next?.isLikely, used !== undefined]).toEqual([at, at < 24, at < 24])
      // What was kept at the last resumption is an hour old at most, and yet over with the day.
      if (used !== undefined) next?.keep(session(), "resumed")
    }
  })

  it("does not resume TLS 1.2", () =>
    afterOne(({ target, connect }) => Effect.map(once(connect, target), (how) => expect(how).toBe("signed")), {
      maxVersion: "TLSv1.2"
    }))
})
