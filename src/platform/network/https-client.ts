/**
 * One HTTPS request and its response, both bounded. For enrolment and the cloud's REST interface.
 *
 * TLS is verified against the given certificates only, without a client certificate. A proxy is used only if given; the
 * usual proxy variables of the environment are ignored.
 */

import type { ClientRequest, IncomingMessage } from "node:http"
import { type RequestOptions, request } from "node:https"
import { BlockList, isIP, isIPv4 } from "node:net"
import type { Duplex } from "node:stream"
import { Effect, Redacted, type Scope } from "effect"
import { HttpUnreachable } from "../../messages/certificate.ts"
import { errorCode } from "../process/error-code.ts"
import { connectNodeTls, connectNodeTlsTo } from "../tls/node-tls.ts"
import type { TrustStore } from "../tls/trust-store.ts"
import { type HttpProxy, openTunnel } from "./proxy-tunnel.ts"

export interface HttpsRequest {
  readonly method: "GET" | "POST"
  /** `https://host:port/path`. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly basicAuth?: { readonly user: string; readonly password: Redacted.Redacted<string> } | undefined
  readonly body?: string | undefined
  /** The only trusted certificates. */
  readonly trusted: TrustStore
  readonly proxy?: RequestProxy | undefined
  readonly withinMs: number
}

export interface RequestProxy extends HttpProxy {
  /** Hosts reached without the proxy. */
  readonly noProxy?: string | undefined
}

export interface HttpsAnswer {
  readonly status: number
  readonly body: Buffer
}

/** A longer response is refused. */
const largestAnswer = 1024 * 1024

/** Interrupting aborts the request. Any status is a success. */
export const httpsRequest = (wanted: HttpsRequest): Effect.Effect<HttpsAnswer, HttpUnreachable> => {
  const limit = Effect.timeoutOrElse({
    duration: wanted.withinMs,
    orElse: () => Effect.fail(unreachable(wanted, "ETIMEDOUT", ""))
  })
  return Effect.scoped(Effect.flatMap(tunnelTo(wanted), (tunnel) => exchange(wanted, tunnel))).pipe(limit)
}

/** A tunnel through the proxy; undefined: no proxy, or the host is excluded from it. */
const tunnelTo = (wanted: HttpsRequest): Effect.Effect<Duplex | undefined, HttpUnreachable, Scope.Scope> => {
  const { proxy, trusted } = wanted
  const { hostname, port } = new URL(wanted.url)
  if (proxy === undefined || goesDirectly(proxy.noProxy, hostname)) return Effect.succeed(undefined)
  const end = { host: bare(hostname), port: port === "" ? 443 : Number(port) }
  return openTunnel(end, proxy, trusted).pipe(
    Effect.mapError(({ code, detail }) => unreachable(wanted, code, detail, proxy.url))
  )
}

const exchange = (wanted: HttpsRequest, tunnel: Duplex | undefined): Effect.Effect<HttpsAnswer, HttpUnreachable> =>
  Effect.callback<HttpsAnswer, HttpUnreachable>((resume) => {
    const fail = (code: string, detail: string): void => resume(Effect.fail(unreachable(wanted, code, detail)))
    const outgoing = begin(wanted, tunnel, (answer) => {
      const chunks: Array<Buffer> = []
      let length = 0
      answer.on("data", (chunk: Buffer) => {
        length += chunk.length
        if (length > largestAnswer) {
          answer.destroy()
          fail("ETOOLARGE", "the answer is longer than 1 MiB")
        } else chunks.push(chunk)
      })
      answer.on("end", () => resume(Effect.succeed({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks) })))
      answer.on("error", (error) => fail(errorCode(error) ?? "EIO", error.message))
    })
    if (outgoing instanceof Error) return fail("EINVAL", outgoing.message)
    outgoing.on("error", (error) => fail(errorCode(error) ?? "EIO", error.message))
    outgoing.end(wanted.body)
    return Effect.sync(() => void outgoing.destroy())
  })

/** Node throws for an invalid request, such as a line end in a header. */
const begin = (
  wanted: HttpsRequest,
  tunnel: Duplex | undefined,
  onAnswer: (answer: IncomingMessage) => void
): ClientRequest | Error => {
  try {
    return request(wanted.url, { ...options(wanted), createConnection: connection(wanted, tunnel) }, onAnswer)
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** TLS inside the tunnel, if there is one: the proxy sees neither the request nor its login. */
const connection = ({ url, trusted }: HttpsRequest, tunnel: Duplex | undefined) => {
  const { hostname, port } = new URL(url)
  const host = bare(hostname)
  return () =>
    tunnel === undefined
      ? connectNodeTlsTo({ host, port: port === "" ? 443 : Number(port), trusted })
      : connectNodeTls({ socket: tunnel, host, trusted })
}

const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, "")

const unreachable = ({ url }: HttpsRequest, code: string, detail: string, proxy?: string): HttpUnreachable =>
  new HttpUnreachable({ url: shownUrl(url), code, detail, ...(proxy !== undefined && { proxy }) })

/** Without user name, password and query: for error messages. */
export const shownUrl = (text: string): string => {
  const url = new URL(text)
  return `${url.origin}${url.pathname}`
}

const options = (wanted: HttpsRequest): RequestOptions => ({
  // No connection and no TLS session of an earlier request, which might have trusted others; and with an agent of any
  // kind Node would not use the connection created here.
  agent: undefined,
  method: wanted.method,
  headers: {
    "user-agent": `thin-edge.io tedge-actors/${__VERSION__}`,
    ...wanted.headers,
    ...(wanted.body !== undefined && { "content-length": String(Buffer.byteLength(wanted.body)) })
  },
  ...(wanted.basicAuth !== undefined && {
    auth: `${wanted.basicAuth.user}:${Redacted.value(wanted.basicAuth.password)}`
  })
})

declare const __VERSION__: string

/**
 * Hosts reached without the proxy: `127.0.0.1,example.com,192.168.1.0/24`.
 *
 * A name matches itself and its subdomains, with or without a leading dot; an address itself; an address with prefix
 * length its network; `*` all. Other entries match nothing. Names are not resolved.
 */
export const goesDirectly = (noProxy: string | undefined, host: string): boolean =>
  (noProxy ?? "")
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => entry !== "" && means(entry, host.replace(/^\[|\]$/g, "").toLowerCase()))

const means = (entry: string, host: string): boolean => {
  if (entry === "*") return true
  if (isIP(host) !== 0) return holdsAddress(entry, host)
  const name = entry.replace(/^\./, "")
  return host === name || host.endsWith(`.${name}`)
}

const holdsAddress = (entry: string, address: string): boolean => {
  const [network = "", size, ...more] = entry.replace(/[[\]]/g, "").split("/")
  if (isIP(network) === 0 || more.length > 0) return false
  const list = new BlockList()
  const family = isIPv4(network) ? "ipv4" : "ipv6"
  const longest = family === "ipv4" ? 32 : 128
  const bits = size === undefined ? longest : /^\d{1,3}$/.test(size) ? Number(size) : -1
  if (bits < 0 || bits > longest) return false
  list.addSubnet(network, bits, family)
  return list.check(address, isIPv4(address) ? "ipv4" : "ipv6")
}
