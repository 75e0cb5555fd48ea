/**
 * The HTTP server of the status page: four files and an event stream, for clients that know the address.
 *
 * The address contains a random secret; nothing can be changed; requests for another host name (DNS rebinding) are
 * refused. Source: WHATWG HTML, Server-sent events; CSP Level 3.
 */
import { timingSafeEqual } from "node:crypto"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { isIPv4, isIPv6, type Socket } from "node:net"
import { Effect, type Scope } from "effect"
import { ListenRefused, PageNotServed } from "../../../../messages/status/refusals.ts"
import { codeOf } from "../../../../platform/process/error-code.ts"

export interface PageFiles {
  readonly html: string
  readonly script: string
  readonly style: string
}

/** Data of the page: current, and updates. */
export interface PageFeed {
  /** Returns how to unsubscribe. Each message is one line of JSON. */
  readonly watch: (send: (line: string) => void) => () => void
}

interface ServedPage {
  readonly secret: string
  readonly files: PageFiles
  readonly feed: PageFeed
}

/** Returns the URL of the page, served until the scope closes. */
export const servePage = (
  address: ListenAddress,
  page: ServedPage
): Effect.Effect<string, PageNotServed, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(listen(address, page), (server) =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
    ),
    (server) => {
      const bound = server.address()
      const port = typeof bound === "object" && bound !== null ? bound.port : address.port
      return `http://${inUrl(address.host)}:${port}/${page.secret}/`
    }
  )

const inUrl = (host: string): string => (isIPv6(host) ? `[${host}]` : host)

const listen = ({ host, port }: ListenAddress, page: ServedPage): Effect.Effect<Server, PageNotServed> =>
  Effect.callback((resume) => {
    const watchers = new Set<ServerResponse>()
    /** Connections of which no request had the secret, the oldest first. */
    const strangers = new Set<Socket>()
    const server = createServer(limits, (request, response) => {
      if (knowsSecret(page, request)) strangers.delete(request.socket)
      else response.setHeader("connection", "close")
      return answer(page, watchers, request, response)
    })
    server.on("connection", (socket: Socket) => {
      strangers.add(socket)
      socket.on("close", () => strangers.delete(socket))
      const [oldest] = strangers
      if (strangers.size > maxStrangers) oldest?.destroy()
    })
    // Also of accept(2) later, for lack of memory: the next client is accepted again.
    server.on("error", (error) => {
      const code = codeOf(error)
      resume(Effect.fail(new PageNotServed({ address: `${inUrl(host)}:${port}`, code })))
    })
    server.listen(port, host, () => resume(Effect.succeed(server)))
  })

const answer = (
  page: ServedPage,
  watchers: Set<ServerResponse>,
  request: IncomingMessage,
  response: ServerResponse
): ServerResponse => {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  if (!isOfThisMachine(request.headers.host)) return end(response, 403)
  if (!knowsSecret(page, request)) return end(response, 404)
  const { path } = partsOf(request)
  if (request.method !== "GET" && request.method !== "HEAD") return end(response.setHeader("allow", "GET, HEAD"), 405)
  switch (path) {
    case undefined:
      return end(response.setHeader("location", `/${page.secret}/`), 308)
    case "":
      return end(response, 200, "text/html", page.files.html)
    case "page.js":
      return end(response, 200, "text/javascript", page.files.script)
    case "page.css":
      return end(response, 200, "text/css", page.files.style)
    case "events":
      if (request.method === "HEAD") return end(response, 200, "text/event-stream")
      return watchers.size < maxWatchers ? stream(page.feed, watchers, response) : end(response, 503)
    default:
      return end(response, 404)
  }
}

const end = (response: ServerResponse, status: number, type = "text/plain", body = ""): ServerResponse =>
  response.writeHead(status, { "content-type": `${type}; charset=utf-8` }).end(body)

const stream = (feed: PageFeed, watchers: Set<ServerResponse>, response: ServerResponse): ServerResponse => {
  watchers.add(response)
  response.writeHead(200, { "content-type": "text/event-stream" })
  response.write("retry: 1000\n\n")
  const leave = feed.watch((line) => {
    // A slow browser misses some; the next snapshot is complete.
    if (response.writableLength < maxUnread) response.write(`data: ${line}\n\n`)
  })
  return response.on("close", () => {
    watchers.delete(response)
    leave()
  })
}

/** Through `ssh -L` the port differs, the host name does not. */
const isOfThisMachine = (host: string | undefined): boolean =>
  host !== undefined && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d{1,5})?$/i.test(host)

const partsOf = ({ url = "" }: IncomingMessage) => {
  const [, given = "", path] = /^\/([^/?]*)(?:\/([^?]*))?/.exec(url) ?? []
  return { given, path }
}

const knowsSecret = (page: ServedPage, request: IncomingMessage): boolean =>
  isSecret(partsOf(request).given, page.secret)

const isSecret = (given: string, secret: string): boolean => {
  const [a, b] = [Buffer.from(given), Buffer.from(secret)]
  return a.length === b.length && timingSafeEqual(a, b)
}

const headers = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  // The address is a secret.
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "cache-control": "no-store"
} as const

/** Any local user can connect: without the secret for a short time only, and one more replaces the oldest. */
const maxStrangers = 64
const limits = { headersTimeout: 5_000, requestTimeout: 5_000, connectionsCheckingInterval: 1_000 }
const maxWatchers = 32
const maxUnread = 4_194_304

/** `--listen`: a loopback address of this machine, with optional port. */
interface ListenAddress {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
}

export const parseListenAddress = (text: string): Effect.Effect<ListenAddress, ListenRefused> => {
  const [, bracketed, plain, portText] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = isIPv6(text) ? text : (bracketed ?? plain ?? "")
  const port = isIPv6(text) ? 0 : Number(portText ?? 0)
  const isAddress = bracketed === undefined ? isIPv4(host) || isIPv6(text) || host === "localhost" : isIPv6(bracketed)
  if (!isAddress || port > 65_535) return Effect.fail(new ListenRefused({ address: text, reason: "malformed" }))
  // Loopback. Source: RFC 1122, 3.2.1.3 (g); RFC 4291, 2.5.3.
  return host === "localhost" || /^127\.\d+\.\d+\.\d+$/.test(host) || /^(0{0,4}:){2,7}0{0,3}1$/.test(host)
    ? Effect.succeed({ host: host === "localhost" ? "127.0.0.1" : host, port })
    : Effect.fail(new ListenRefused({ address: text, reason: "notLoopback" }))
}
