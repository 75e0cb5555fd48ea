/** An HTTP proxy that knows CONNECT only, and writes down who went where. */
import { createServer, type IncomingMessage } from "node:http"
import { createServer as createSecureServer } from "node:https"
import { type AddressInfo, connect, type Socket } from "node:net"
import type { Duplex } from "node:stream"

export interface ConnectProxy {
  readonly url: string
  /** `host:port` of each way that was asked for. */
  readonly asked: ReadonlyArray<string>
  /** All bytes that went through, from both sides. */
  readonly carried: () => Buffer
  readonly close: () => Promise<void>
}

export interface ConnectProxyOptions {
  /** `user:password`; undefined: everybody may. */
  readonly login?: string
  /** Addresses of names that no resolver knows: `cloud.invalid:8883` to `127.0.0.1:4711`. */
  readonly hosts?: Readonly<Record<string, string>>
  /** Answered to each request instead of a way. */
  readonly answer?: string
  /** Never answers. */
  readonly silent?: boolean
  /** PEM: the proxy itself is spoken to over TLS. */
  readonly tls?: { readonly cert: string; readonly key: string }
}

export const startConnectProxy = async (options: ConnectProxyOptions = {}): Promise<ConnectProxy> => {
  const { login, hosts = {}, answer, silent, tls } = options
  const asked: Array<string> = []
  const carried: Array<Buffer> = []
  const open = new Set<Duplex>()
  const kept = (stream: Duplex): void => {
    open.add(stream)
    stream.on("error", () => stream.destroy()).on("close", () => open.delete(stream))
  }
  const onConnect = (request: IncomingMessage, client: Duplex): void => {
    kept(client)
    const wanted = request.url ?? ""
    asked.push(wanted)
    const header = login === undefined ? undefined : `Basic ${Buffer.from(login).toString("base64")}`
    if (silent) return
    if (answer !== undefined) return void client.end(answer)
    if (header !== undefined && request.headers["proxy-authorization"] !== header)
      return void client.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
    const { hostname, port } = new URL(`tcp://${hosts[wanted] ?? wanted}`)
    const server: Socket = connect({ host: hostname, port: Number(port) })
    kept(server)
    server.on("error", () => client.end("HTTP/1.1 502 Bad Gateway\r\n\r\n"))
    server.on("connect", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n")
      client.pipe(server).pipe(client)
    })
    for (const stream of [client, server]) stream.on("data", (chunk: Buffer) => void carried.push(chunk))
  }
  const server = tls === undefined ? createServer() : createSecureServer(tls)
  server.on("connect", onConnect)
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `${tls === undefined ? "http://127.0.0.1" : "https://localhost"}:${port}`,
    asked,
    carried: () => Buffer.concat(carried),
    close: () =>
      new Promise((resolve) => {
        for (const stream of open) stream.destroy()
        server.close(() => resolve())
      })
  }
}
