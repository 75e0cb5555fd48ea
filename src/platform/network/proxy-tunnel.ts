/**
 * A tunnel to a host through an HTTP proxy: CONNECT (RFC 9110, 9.3.6).
 *
 * Errors here do not name the proxy: the caller knows it.
 */
import { connect as connectSocket } from "node:net"
import type { Duplex } from "node:stream"
import { Effect, Redacted, type Scope } from "effect"
import { TunnelRefused } from "../../messages/platform.ts"
import { codeOf, errorCode } from "../process/error-code.ts"
import { connectNodeTls } from "../tls/node-tls.ts"
import type { TrustStore } from "../tls/trust-store.ts"

export interface HttpProxy {
  /** `http://proxy.example:3128`; without user and password. */
  readonly url: string
  readonly username?: string | undefined
  readonly password?: Redacted.Redacted<string> | undefined
}

interface TunnelEnd {
  readonly host: string
  readonly port: number
}

/**
 * The stream is destroyed when the scope closes; errors before a listener is attached are kept in it (`errored`).
 * `trusted`: for a proxy with TLS itself.
 */
export const openTunnel = (
  end: TunnelEnd,
  proxy: HttpProxy,
  trusted: TrustStore
): Effect.Effect<Duplex, TunnelRefused, Scope.Scope> =>
  Effect.gen(function* () {
    const { hostname, port, protocol } = new URL(proxy.url)
    const isHttps = protocol === "https:"
    const host = hostname.replace(/^\[|\]$/g, "")
    const place = { host, port: Number(port) || (isHttps ? 443 : 80), noDelay: true, keepAlive: true }
    const tcp = yield* opened(() => connectSocket(place), "connect")
    const secured = () => connectNodeTls({ host, trusted, socket: tcp })
    const stream = isHttps ? yield* opened(secured, "secureConnect") : tcp
    yield* askedFor(stream, end, proxy)
    return stream
  })

const opened = <Stream extends Duplex>(
  open: () => Stream,
  event: string
): Effect.Effect<Stream, TunnelRefused, Scope.Scope> =>
  Effect.gen(function* () {
    const stream = yield* Effect.acquireRelease(
      Effect.sync(() => open().on("error", keepSilent)),
      (made) => Effect.sync(() => void made.destroy())
    )
    return yield* Effect.callback<Stream, TunnelRefused>((resume) => {
      const onOpen = () => resume(Effect.succeed(stream))
      const onError = (error: Error) =>
        resume(Effect.fail(new TunnelRefused({ code: errorCode(error) ?? "EIO", detail: codeOf(error) })))
      const onClose = () => onError(new Error("it closed the connection"))
      stream.once(event, onOpen).once("error", onError).once("close", onClose)
      return Effect.sync(() => void stream.off(event, onOpen).off("error", onError).off("close", onClose))
    })
  })

/** Later errors reach the user of the stream through its own listener, or `errored`. */
const keepSilent = () => {}

/** Sends CONNECT and reads the response. Bytes after the response are left unread. */
const askedFor = (stream: Duplex, end: TunnelEnd, proxy: HttpProxy): Effect.Effect<void, TunnelRefused> =>
  Effect.callback<void, TunnelRefused>((resume) => {
    const fail = (detail: string, code = "EPROTO") => resume(Effect.fail(new TunnelRefused({ code, detail })))
    let head = Buffer.alloc(0)
    const onReadable = () => {
      for (let chunk: unknown = stream.read(); Buffer.isBuffer(chunk); chunk = stream.read()) {
        head = Buffer.concat([head, chunk])
        const endAt = head.indexOf(endOfHead)
        if (endAt >= 0) {
          // The rest is from the server, for TLS.
          const rest = head.subarray(endAt + endOfHead.length)
          return done(() => {
            if (rest.length > 0) stream.unshift(rest)
            judge(head.toString("latin1", 0, endAt + 2), resume, fail)
          })
        }
        if (head.length > longestHead) return done(() => fail("its answer has no end"))
      }
    }
    const onEnd = () => done(() => fail("it closed the connection", "ECONNRESET"))
    const onError = (error: Error) => done(() => fail(error.message, errorCode(error) ?? "EIO"))
    const done = (then: () => void) => {
      stream.off("readable", onReadable).off("end", onEnd).off("error", onError)
      then()
    }
    stream.on("readable", onReadable).on("end", onEnd).on("error", onError)
    stream.write(request(end, proxy))
    return Effect.sync(() => done(() => {}))
  })

const judge = (
  head: string,
  resume: (effect: Effect.Effect<void>) => void,
  fail: (detail: string, code?: string) => void
): void => {
  const line = head.slice(0, head.indexOf("\r\n"))
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(line)?.[1]
  if (status?.startsWith("2")) resume(Effect.void)
  else if (status === undefined) fail("it does not speak HTTP")
  else fail(line.slice(line.indexOf(" ") + 1), status)
}

const request = ({ host, port }: TunnelEnd, proxy: HttpProxy): string => {
  const authority = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
  const lines = [`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`]
  if (proxy.username !== undefined) {
    const password = proxy.password === undefined ? "" : Redacted.value(proxy.password)
    const credentials = Buffer.from(`${proxy.username}:${password}`).toString("base64")
    lines.push(`Proxy-Authorization: Basic ${credentials}`)
  }
  return [...lines, "", ""].join("\r\n")
}

const longestHead = 16 * 1024

const endOfHead = "\r\n\r\n"
