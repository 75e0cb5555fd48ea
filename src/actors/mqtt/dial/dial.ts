/**
 * Opens the stream for a Target: TCP, through a proxy if configured, and TLS, by Node with a key file or by our add-on
 * with a token.
 *
 * An error of the stream before a listener is attached does not crash the process: it is kept in it (`errored`). With TLS
 * 1.3 the server checks our certificate after this has completed.
 */

import { connect as connectSocket, type Socket } from "node:net"
import type { Duplex } from "node:stream"
import { type Context, Effect, type Scope } from "effect"
import type { CryptokiProtocol } from "../../../messages/cryptoki.ts"
import { CredentialUnusable, DialFailed, KeyMismatch, type MqttRefusal, type Target } from "../../../messages/mqtt.ts"
import { openTunnel } from "../../../platform/network/proxy-tunnel.ts"
import { errorCode } from "../../../platform/process/error-code.ts"
import { connectNodeTls, nodeSessionBinding } from "../../../platform/tls/node-tls.ts"
import { tlsAddon } from "../../../platform/tls/tls-addon.ts"
import { sessionBinding } from "../../../platform/tls/tls-session.ts"
import { connectTls, type TlsSignerStream } from "../../../platform/tls/tls-signer-stream.ts"
import type { TlsSession } from "../../../platform/tls/tls-target.ts"
import { trustStore } from "../../../platform/tls/trust-store.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"
import { annotateSpan, spanned } from "../../../runtime/span.ts"
import { type DeviceCertificates, readCertificateChain, readPrivateKey, readTrusted } from "./credentials.ts"
import { nameOf, prepareSigner, prepareSignerLater, spkiOf } from "./key-signer.ts"
import { refusalOfStream } from "./refusal.ts"
import { type Handshake, resumptionOf, type TlsTickets } from "./resumption.ts"
import type { Stopwatch } from "./stopwatch.ts"

/** Further parameters for TLS. */
interface TlsMeans {
  readonly cryptoki: ActorRef<CryptokiProtocol>
  /** Runs while the token signs. */
  readonly stopwatch: Stopwatch
  readonly tickets: TlsTickets
}

interface Dialled {
  readonly stream: Duplex
  /** Undefined: no TLS, or no key. */
  readonly handshake: Handshake | undefined
}

/** The stream is destroyed when the scope closes. */
export const dial = (target: Target, means: TlsMeans): Effect.Effect<Dialled, MqttRefusal, Scope.Scope> => {
  const { tls } = target
  if (tls === undefined) return Effect.map(openSocket(target), (stream) => ({ stream, handshake: undefined }))
  switch (tls.identity.kind) {
    case "token":
      return dialWithToken(target, tls.caPath, tls.identity, means)
    case "keyFile":
      return dialWithKeyFile(target, tls.caPath, tls.identity, means)
    case "none":
      return Effect.map(dialNodeTls(target, tls.caPath, {}, undefined), ({ stream }) => ({
        stream,
        handshake: undefined
      }))
  }
}

type Identity<Kind> = Extract<NonNullable<Target["tls"]>["identity"], { readonly kind: Kind }>

const dialWithToken = (
  target: Target,
  caPath: string,
  { certPath, key }: Identity<"token">,
  means: TlsMeans
): Effect.Effect<Dialled, MqttRefusal, Scope.Scope> =>
  Effect.gen(function* () {
    const { host, port, connectWithinMs } = target
    const { pem, device } = yield* readCertificateChain(certPath)
    const trusted = yield* readTrusted(caPath)
    const settings = {
      host,
      port,
      serverName: host,
      trusted,
      certificateChain: pem,
      publicKey: spkiOf(device),
      keyName: nameOf(key),
      // The whole connection has a limit; this one must not end first.
      timeoutMs: connectWithinMs + 1_000
    }
    const bindingOf = () => sessionBinding(tlsAddon(), settings)
    const resumption = yield* resumptionOf(target, means.tickets, bindingOf)
    const signer = { ...means, host, key, withinMs: connectWithinMs, certPath, certificate: device }
    // Resumption needs no token: a missing one is asked only if the server refuses the session.
    const { signIn } = yield* resumption?.isLikely ? prepareSignerLater(signer) : prepareSigner(signer)
    const socket = yield* means.stopwatch.step("TCP", openSocket(target))
    const securing = secured((context) => {
      const opened: TlsSignerStream = connectTls({ ...settings, ...resumption?.take(), socket }, signIn(context))
      return opened.on("session", (session: TlsSession) => resumption?.keep(session, handshakeOf(opened)))
    }, target)
    const stream = yield* means.stopwatch.step("TLS", securing)
    const handshake = handshakeOf(stream)
    yield* annotateSpan(() => tlsAttributes(stream.negotiated?.protocol, handshake))
    if (handshake === "signed" && stream.negotiated?.protocol === "TLSv1.3")
      yield* means.stopwatch.step("verdict of the server", judged(stream, target))
    return { stream, handshake }
  })

const tlsAttributes = (protocol: string | null | undefined, handshake: Handshake) => ({
  "tls.protocol.name": "tls",
  "tls.protocol.version": protocol?.replace(/^TLSv/, ""),
  "tls.resumed": handshake === "resumed"
})

const handshakeOf = ({ negotiated }: TlsSignerStream): Handshake => (negotiated?.resumed ? "resumed" : "signed")

const dialWithKeyFile = (
  target: Target,
  caPath: string,
  { certPath, keyPath }: Identity<"keyFile">,
  { tickets }: TlsMeans
): Effect.Effect<Dialled, MqttRefusal, Scope.Scope> =>
  Effect.gen(function* () {
    const chain = yield* readCertificateChain(certPath)
    const { pem: key, key: privateKey } = yield* readPrivateKey(keyPath)
    if (!chain.device.checkPrivateKey(privateKey))
      return yield* Effect.fail(new KeyMismatch({ certPath, key: keyPath }))
    return yield* dialNodeTls(target, caPath, { key, cert: leafFirst(chain) }, tickets)
  })

/** Node assumes that the first certificate is the key's. */
const leafFirst = ({ certificates, device }: DeviceCertificates): string =>
  [device, ...certificates.filter((one) => one !== device)].map(String).join("")

const dialNodeTls = (
  target: Target,
  caPath: string,
  identity: { readonly key?: string; readonly cert?: string },
  tickets: TlsTickets | undefined
): Effect.Effect<Dialled, MqttRefusal, Scope.Scope> =>
  Effect.gen(function* () {
    const { host, port } = target
    const trusted = yield* readTrusted(caPath)
    const binding = nodeSessionBinding({ host, port, trusted, identity })
    const resumption = tickets && (yield* resumptionOf(target, tickets, () => binding))
    const socket = yield* openSocket(target)
    const stream = yield* secured(() => {
      const session = resumption?.take()?.session.der
      const opened = connectNodeTls({ host, trusted, socket, identity, ...(session && { session }) })
      const keep = (der: Buffer) => {
        if (opened.getProtocol() !== "TLSv1.3") return
        // Node does not report the lifetime; OpenSSL offers no session that is older than that.
        resumption?.keep(
          { der, binding, lifetimeMs: Number.POSITIVE_INFINITY },
          opened.isSessionReused() ? "resumed" : "signed"
        )
      }
      return opened.on("session", keep)
    }, target)
    const handshake = stream.isSessionReused() ? "resumed" : "signed"
    yield* annotateSpan(() => tlsAttributes(stream.getProtocol(), handshake))
    if (handshake === "signed" && stream.getProtocol() === "TLSv1.3") yield* judged(stream, target)
    return { stream, handshake }
  })

/** Waits for the end of the handshake; `connecting` gets its context. */
const secured = <Stream extends Duplex>(
  connecting: (context: Context.Context<never>) => Stream,
  target: Target
): Effect.Effect<Stream, MqttRefusal, Scope.Scope> => {
  const handshake = Effect.gen(function* () {
    const context = yield* Effect.context<never>()
    const stream = yield* Effect.acquireRelease(
      Effect.try({
        try: () => connecting(context).on("error", keepSilent),
        // Only settings that OpenSSL refuses throw here: a key it does not take.
        catch: (error) =>
          new CredentialUnusable({ path: target.host, role: "key", reason: "malformed", detail: String(error) })
      }),
      (opened) => Effect.sync(() => void opened.destroy())
    )
    yield* opened(stream, "secureConnect", (error) => refusalOfStream(error, target, "connecting"))
    return stream
  })
  return spanned("tls handshake", { kind: "client" }, handshake)
}

/**
 * With TLS 1.3 the server checks our certificate after we are done. Data sent before would make its TCP drop the alert
 * with the reason: nothing is sent until its session tickets show that it accepted, or for half a second.
 */
const judged = (stream: Duplex, target: Target): Effect.Effect<void, MqttRefusal> => {
  const content = opened(stream, "session", (error) => refusalOfStream(error, target, "connecting"))
  // Writing to Node's tls within this event makes it hang.
  const outsideTheEvent = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
  return Effect.andThen(Effect.raceFirst(content, Effect.sleep(judgementMs)), outsideTheEvent)
}

const judgementMs = 500

/** TCP to the target, or a tunnel to it through the proxy. */
const openSocket = (target: Target): Effect.Effect<Duplex, MqttRefusal, Scope.Scope> => {
  const { host, port, proxy } = target
  const attributes = () => ({ "server.address": host, "server.port": port, "tedge.proxy": proxy !== undefined })
  return spanned("dial", { kind: "client", attributes }, socketTo(target))
}

const socketTo = (target: Target): Effect.Effect<Duplex, MqttRefusal, Scope.Scope> => {
  const { host, port, proxy } = target
  if (proxy === undefined) return openTcp(target)
  return Effect.gen(function* () {
    const isSecured = target.tls !== undefined && proxy.url.startsWith("https:")
    const trusted = isSecured ? yield* readTrusted(target.tls.caPath) : trustStore([])
    return yield* openTunnel(target, proxy, trusted).pipe(
      Effect.mapError(({ detail }) => new DialFailed({ host, port, code: "proxy", detail: `${proxy.url}: ${detail}` }))
    )
  })
}

const openTcp = (target: Target): Effect.Effect<Socket, DialFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { host, port } = target
    const socket = yield* Effect.acquireRelease(
      Effect.sync(() => connectSocket({ host, port, noDelay: true, keepAlive: true }).on("error", keepSilent)),
      (opened) => Effect.sync(() => void opened.destroy())
    )
    yield* opened(socket, "connect", (error) => dialFailed(error, target))
    return socket
  })

const opened = <E>(stream: Duplex, event: string, refusal: (error: Error) => E): Effect.Effect<void, E> =>
  Effect.callback<void, E>((resume) => {
    const onOpen = () => resume(Effect.void)
    const onError = (error: Error) => resume(Effect.fail(refusal(error)))
    const onClose = () => resume(Effect.fail(refusal(new Error("the connection was closed"))))
    stream.once(event, onOpen).once("error", onError).once("close", onClose)
    if (stream.destroyed) onError(stream.errored ?? new Error("the connection was closed"))
    return Effect.sync(() => void stream.off(event, onOpen).off("error", onError).off("close", onClose))
  })

const dialFailed = (error: Error, { host, port }: Target): DialFailed =>
  new DialFailed({ host, port, code: errorCode(error) ?? "unknown", detail: "" })

/** Later errors reach the user of the stream through its own listener, or `errored`. */
const keepSilent = () => {}
