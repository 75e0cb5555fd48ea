/** Sessions against mosquitto: with a token, with a key file, without TLS, and every way in which TLS is refused. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { Effect, Redacted, type Scope } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { connectWith } from "../../../src/actors/mqtt/broker-connection.ts"
import { sessionBehaviour, sessionMailbox } from "../../../src/actors/mqtt/session-actor.ts"
import type { CryptokiProtocol } from "../../../src/messages/cryptoki.ts"
import type { MqttMessage, MqttSessionProtocol, Target } from "../../../src/messages/mqtt.ts"
import { type Behaviour, start } from "../../../src/runtime/actor.ts"
import type { ActorRef } from "../../../src/runtime/protocol.ts"
import { type FakeToken, fakeToken } from "../../../src/testing/fake-token.ts"
import { startBroker, type TestBroker } from "../../support/broker/broker.ts"
import { tempDir } from "../../support/temp-dir.ts"
import { makeCa, makeDeviceCertificate, type TestPki, testPki } from "../../support/tls/pki.ts"

let pki: TestPki
let plain: TestBroker
let cloud: TestBroker
beforeAll(async () => {
  pki = testPki({ deviceId: "dev01" })
  plain = await startBroker()
  const tls = { certFile: pki.serverCertFile, keyFile: pki.serverKeyFile, caFile: pki.caFile }
  cloud = await startBroker({ tls, requireCertificate: true })
})
afterAll(async () => {
  await Promise.all([plain.stop(), cloud.stop()])
  pki.remove()
})

const plainTarget = (overrides: Partial<Target> = {}): Target => ({
  host: "127.0.0.1",
  port: plain.port,
  clientId: "session",
  keepalive: 60,
  cleanSession: true,
  connectWithinMs: 60_000,
  ...overrides
})

/** A target in the cloud; the device shows `identity`, by default the key file that the CA knows. */
const cloudTarget = (
  identity: NonNullable<Target["tls"]>["identity"] = {
    kind: "keyFile",
    certPath: pki.deviceCertFile,
    keyPath: pki.deviceKeyFile
  },
  caPath = pki.caFile
): Target => ({ ...plainTarget({ port: cloud.port, clientId: "dev01" }), tls: { identity, caPath } })

interface TokenDevice {
  readonly token: FakeToken
  readonly identity: NonNullable<Target["tls"]>["identity"]
}

/** A key in a token, and its certificate in a file. */
const tokenDevice = (options: Parameters<typeof fakeToken>[0] = {}): TokenDevice => {
  const token = fakeToken({ defaultPin: "123456", ...options })
  const certPath = join(pki.dir, `${Math.random()}.pem`)
  writeFileSync(certPath, pki.issueFor(token.addKey("device", "01"), "dev01"))
  return { token, identity: { kind: "token", certPath, key: { uri: { object: "device" } } } }
}

const startSession = (token: FakeToken = fakeToken()) =>
  Effect.gen(function* () {
    const cryptoki: ActorRef<CryptokiProtocol> = yield* start({
      name: "cryptoki",
      mailbox: { capacity: 16, overflow: { policy: "refuse" } },
      behaviour: token.behaviour
    })
    return yield* start<MqttSessionProtocol, never, never>({
      name: "session",
      mailbox: sessionMailbox,
      behaviour: sessionBehaviour(connectWith(cryptoki))
    })
  })

const within = { within: "30 seconds" } as const

const text = (topic: string, payload: string, qos: 0 | 1 = 1): MqttMessage => ({
  topic,
  payload: Buffer.from(payload),
  qos,
  retain: false
})

const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect))

const refusalOf = (target: Target, token?: FakeToken) =>
  run(
    Effect.gen(function* () {
      const session = yield* startSession(token)
      return yield* Effect.flip(session.ask("Open", { target }, within))
    })
  )

describe("a session", () => {
  it("publishes, subscribes and hands out messages in their order", () =>
    run(
      Effect.gen(function* () {
        const session = yield* startSession()
        expect(yield* session.ask("Open", { target: plainTarget() }, within)).toEqual({ sessionPresent: false })
        yield* session.ask("Subscribe", { filters: ["a/#", "b"], qos: 1 }, within)
        const publish = (n: number) => session.ask("Publish", { message: text("a/x", `${n}`) }, within)
        // The reader waits already when the first message comes.
        const [first] = yield* Effect.all([session.ask("Next", undefined, within), publish(1)], { concurrency: 2 })
        yield* Effect.all([publish(2), publish(3)])
        const rest = [yield* session.ask("Next", undefined, within), yield* session.ask("Next", undefined, within)]
        const messages = [first, ...rest]
        expect(messages.map(({ payload }) => String(payload))).toEqual(["1", "2", "3"])
        yield* session.ask("Close", undefined, within)
        yield* session.ask("Close", undefined, within)
      })
    ))

  it("that keeps the session leaves in it what waits there for its owner", () =>
    run(
      Effect.gen(function* () {
        const asOwner = plainTarget({ clientId: "owner", cleanSession: false })
        const owner = yield* startSession()
        yield* owner.ask("Open", { target: asOwner }, within)
        yield* owner.ask("Subscribe", { filters: ["cmd/#"], qos: 1 }, within)
        yield* owner.ask("Close", undefined, within)
        const sender = yield* startSession()
        yield* sender.ask("Open", { target: plainTarget({ clientId: "sender" }) }, within)
        const sent = Array.from({ length: 30 }, (_, n) => `${n}`)
        for (const one of sent) yield* sender.ask("Publish", { message: text("cmd/x", one) }, within)
        for (let trials = 0; trials < 3; trials++) {
          expect(yield* owner.ask("Open", { target: asOwner }, within)).toEqual({ sessionPresent: true })
          yield* owner.ask("Next", undefined, within)
          yield* owner.ask("Close", undefined, within)
        }
        yield* owner.ask("Open", { target: asOwner }, within)
        const heard = yield* Effect.replicateEffect(owner.ask("Next", undefined, within), 20)
        expect(heard.map(({ payload }) => String(payload))).toEqual(sent.slice(0, 20))
      })
    ))

  it("ends with DISCONNECT when its actor stops", async () => {
    await run(
      Effect.gen(function* () {
        const session = yield* startSession()
        yield* session.ask("Open", { target: plainTarget({ clientId: "polite" }) }, within)
      })
    )
    await plain.waitForLog(/^Received DISCONNECT from polite$/)
  })

  it("refuses what is asked of it while it is closed", () =>
    run(
      Effect.gen(function* () {
        const session = yield* startSession()
        const failure = yield* Effect.flip(session.ask("Publish", { message: text("a", "") }, within))
        expect(failure).toMatchObject({ _tag: "ConnectionLost", detail: "no session is open" })
      })
    ))

  it("reports a lost connection to a waiting reader", async () => {
    const broker = await startBroker()
    await run(
      Effect.gen(function* () {
        const session = yield* startSession()
        yield* session.ask("Open", { target: plainTarget({ port: broker.port }) }, within)
        const failure = Effect.flip(session.ask("Next", undefined, within))
        const [lost] = yield* Effect.all([failure, Effect.promise(() => broker.kill())], { concurrency: 2 })
        expect(lost).toMatchObject({ _tag: "ConnectionLost", stage: "connected", port: broker.port })
      })
    ).finally(() => broker.stop())
  })
})

describe("a session with TLS", () => {
  it("shows a certificate whose key is in a token, and has it sign exactly once", async () => {
    const { token, identity } = tokenDevice()
    await run(
      Effect.gen(function* () {
        const session = yield* startSession(token)
        yield* session.ask("Open", { target: cloudTarget(identity) }, within)
        yield* session.ask("Publish", { message: text("s/us", "100,dev01,thin-edge.io") }, within)
        expect(token.signatures()).toBe(1)
      })
    )
    await cloud.waitForLog(/Received PUBLISH from dev01 .*'s\/us'/)
  })

  it("shows a certificate whose key is in a file, wherever in the chain its own certificate stands", async () => {
    const certPath = join(pki.dir, "issuer-first.pem")
    writeFileSync(certPath, pki.caPem + pki.deviceCertPem)
    await run(
      Effect.gen(function* () {
        const session = yield* startSession()
        yield* session.ask(
          "Open",
          { target: cloudTarget({ kind: "keyFile", certPath, keyPath: pki.deviceKeyFile }) },
          within
        )
        yield* session.ask("Publish", { message: text("s/us", "x") }, within)
      })
    )
  })

  it("finds the trusted certificates below a directory, whatever else lies there", async () => {
    const directory = join(pki.dir, "trusted")
    mkdirSync(join(directory, "deeper"), { recursive: true })
    writeFileSync(join(directory, "notes.txt"), "no certificate")
    writeFileSync(join(directory, "broken.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    writeFileSync(join(directory, "deeper", "ca.pem"), pki.caPem)
    symlinkSync(directory, join(directory, "deeper", "loop"))
    await run(
      Effect.gen(function* () {
        const session = yield* startSession()
        yield* session.ask("Open", { target: cloudTarget(undefined, directory) }, within)
      })
    )
    rmSync(directory, { recursive: true })
  })

  it("says that the key in the token is not the certificate's, before anything is sent", async () => {
    const { identity } = tokenDevice()
    const { token } = tokenDevice()
    const before = cloud.log().length
    expect(await refusalOf(cloudTarget(identity), token)).toMatchObject({
      _tag: "KeyMismatch",
      key: "pkcs11:object=device"
    })
    expect(token.signatures()).toBe(0)
    expect(
      cloud
        .log()
        .slice(before)
        .filter((line) => /New connection/.test(line))
    ).toEqual([])
  })

  it("says that the key file is not the certificate's", async () => {
    const other = makeDeviceCertificate(pki.ca)
    expect(
      await refusalOf(cloudTarget({ kind: "keyFile", certPath: pki.deviceCertFile, keyPath: other.keyFile }))
    ).toMatchObject({ _tag: "KeyMismatch", key: other.keyFile })
  })

  it("gives back what the token refused with", async () => {
    const wrongPin = tokenDevice({ defaultPin: "000000" })
    expect(await refusalOf(cloudTarget(wrongPin.identity), wrongPin.token)).toMatchObject({
      _tag: "SigningFailed",
      cause: { _tag: "PinRejected", reason: "incorrect" }
    })
    const unplugged = tokenDevice({ plugged: false })
    expect(await refusalOf(cloudTarget(unplugged.identity), unplugged.token)).toMatchObject({
      _tag: "SigningFailed",
      cause: { _tag: "TokenNotFound" }
    })
  })

  it("gives up on a token that does not answer, and says that it was the token", async () => {
    const { token, identity } = tokenDevice({ hang: true })
    const target = { ...cloudTarget(identity), connectWithinMs: 4_000 }
    expect(await refusalOf(target, token)).toMatchObject({
      _tag: "SigningFailed",
      cause: { _tag: "SigningInterrupted", reason: "timeout" }
    })
  })

  it("gives up on a token that hangs in the middle of the handshake, and interrupts the signature", async () => {
    const { token, identity } = tokenDevice()
    const hanging: Behaviour<CryptokiProtocol> = {
      ...token.behaviour,
      init: (context) =>
        Effect.map(token.behaviour.init(context), (handlers) => ({ ...handlers, Sign: () => interrupted }))
    }
    let wasInterrupted = false
    const interrupted = Effect.onInterrupt(Effect.never, () =>
      Effect.sync(() => {
        wasInterrupted = true
      })
    )
    const target = { ...cloudTarget(identity), connectWithinMs: 4_000 }
    expect(await refusalOf(target, { ...token, behaviour: hanging })).toMatchObject({
      _tag: "SigningFailed",
      cause: { _tag: "SigningInterrupted", reason: "timeout" }
    })
    expect(wasInterrupted).toBe(true)
  })

  it("does not trust a server whose issuer is unknown", async () => {
    const other = makeCa(pki.dir)
    const { token, identity } = tokenDevice()
    const refusal = { _tag: "TlsFailed", reason: "serverNotTrusted" }
    expect(await refusalOf(cloudTarget(undefined, other.certFile))).toMatchObject(refusal)
    expect(await refusalOf(cloudTarget(identity, other.certFile), token)).toMatchObject(refusal)
    expect(token.signatures()).toBe(0)
  })

  it("does not trust a server with another name", async () => {
    const named = testPki({ serverNames: "DNS:elsewhere.example" })
    const broker = await startBroker({
      tls: { certFile: named.serverCertFile, keyFile: named.serverKeyFile, caFile: named.caFile }
    })
    const { token, identity } = tokenDevice()
    const refusal = { _tag: "TlsFailed", reason: "hostMismatch" }
    const at = { port: broker.port }
    expect(await refusalOf({ ...cloudTarget(undefined, named.caFile), ...at })).toMatchObject(refusal)
    expect(await refusalOf({ ...cloudTarget(identity, named.caFile), ...at }, token)).toMatchObject(refusal)
    await broker.stop()
    named.remove()
  })

  it.each([
    ["issued by a CA unknown to the broker", "certificateRefused", () => makeDeviceCertificate(makeCa(pki.dir))],
    ["that has expired", "certificateExpired", () => makeDeviceCertificate(pki.ca, { validity: "expired" })]
  ])("hears that the broker refuses a certificate %s", async (_what, reason, certificate) => {
    const { certFile, keyFile } = certificate()
    const target = cloudTarget({ kind: "keyFile", certPath: certFile, keyPath: keyFile })
    expect(await refusalOf(target)).toMatchObject({ _tag: "TlsFailed", reason })
  })

  it("hears that the broker wants a certificate", async () => {
    expect(await refusalOf(cloudTarget({ kind: "none" }))).toMatchObject({
      _tag: "TlsFailed",
      reason: "certificateRequired"
    })
  })

  it("hears the refusal of a certificate whose key is in a token", async () => {
    const { token, identity } = tokenDevice()
    const stranger = testPki()
    const broker = await startBroker({
      tls: { certFile: pki.serverCertFile, keyFile: pki.serverKeyFile, caFile: stranger.caFile },
      requireCertificate: true
    })
    expect(await refusalOf({ ...cloudTarget(identity), port: broker.port }, token)).toMatchObject({
      _tag: "TlsFailed",
      reason: "certificateRefused"
    })
    await broker.stop()
    stranger.remove()
  })

  it("detects a port without TLS", async () => {
    const { token, identity } = tokenDevice()
    const server = createServer((socket) => socket.on("error", () => {}).end("HTTP/1.1 400 Bad Request\r\n\r\n"))
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    expect(await refusalOf({ ...cloudTarget(), port })).toMatchObject({ _tag: "TlsFailed", reason: "notTls" })
    expect(await refusalOf({ ...cloudTarget(identity), port }, token)).toMatchObject({
      _tag: "TlsFailed",
      reason: "notTls"
    })
    server.close()
  })
})

describe("what a session needs before it dials", () => {
  const file = (name: string, content: string) => {
    const path = join(pki.dir, name)
    writeFileSync(path, content)
    return path
  }

  it.each([
    ["a certificate file that is not there", "missing", "certificate", () => ({ certPath: join(pki.dir, "none") })],
    ["a certificate file without one", "malformed", "certificate", () => ({ certPath: file("text", "hello") })],
    ["an empty certificate file", "empty", "certificate", () => ({ certPath: file("nothing", "") })],
    ["a directory for a certificate", "isDirectory", "certificate", () => ({ certPath: pki.dir })],
    ["a key file that is not there", "missing", "key", () => ({ keyPath: join(pki.dir, "none") })],
    ["a key file without a key", "malformed", "key", () => ({ keyPath: pki.caFile })]
  ])("names %s", async (_what, reason, role, paths) => {
    const { certPath, keyPath } = { certPath: pki.deviceCertFile, keyPath: pki.deviceKeyFile, ...paths() }
    expect(await refusalOf(cloudTarget({ kind: "keyFile", certPath, keyPath }))).toMatchObject({
      _tag: "CredentialUnusable",
      reason,
      role,
      path: role === "key" ? keyPath : certPath
    })
  })

  it.each([
    ["missing", () => join(pki.dir, "none")],
    ["empty", () => file("not-a-ca.txt", "no certificate")]
  ])("names trusted certificates that are %s", async (reason, caPath) => {
    expect(await refusalOf(cloudTarget(undefined, caPath()))).toMatchObject({
      _tag: "CredentialUnusable",
      role: "trusted certificates",
      reason
    })
  })

  it("names the host that refuses the connection", async () => {
    const broker = await startBroker()
    await broker.stop()
    expect(await refusalOf(plainTarget({ port: broker.port }))).toMatchObject({
      _tag: "DialFailed",
      code: "ECONNREFUSED"
    })
  })

  it("waits for CONNACK no longer than it may", async () => {
    const server = createServer((socket) => socket.on("error", () => {}).resume())
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    expect(await refusalOf(plainTarget({ port, connectWithinMs: 100 }))).toMatchObject({
      _tag: "BrokerSilent",
      waitingFor: "CONNACK",
      afterMs: 100
    })
    server.close()
  })

  it("keeps the password out of what a refusal shows", async () => {
    // Not /dev/null: mosquitto 2.0.21 wants a regular file.
    const nobody = join(tempDir(), "passwords")
    writeFileSync(nobody, "")
    const broker = await startBroker({ lines: [`password_file ${nobody}`, "allow_anonymous false"] })
    const password = Redacted.make("s3cret")
    const refusal = await refusalOf(plainTarget({ port: broker.port, username: "u", password }))
    expect(refusal).toMatchObject({ _tag: "BrokerRefused", code: 5 })
    expect(JSON.stringify(refusal)).not.toContain("s3cret")
    await broker.stop()
  })
})
