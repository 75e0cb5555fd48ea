/** Connections for undici, and for `fetch` with one of its dispatchers: `new Agent({ connect: undiciConnector({ … }) })`. */
import { connect as dial, type Socket } from "node:net"
import type { Duplex } from "node:stream"
import type { SecureOptions } from "./connect-options.ts"
import { identityOf, type OpenOptions, open } from "./open-connection.ts"

/** Parameters passed by undici. */
export interface UndiciTarget {
  readonly hostname: string
  readonly host?: string | undefined
  readonly protocol: string
  readonly port: string
  readonly servername?: string | undefined
  readonly localAddress?: string | null | undefined
  /** The tunnel of undici's ProxyAgent. */
  readonly httpSocket?: Duplex | undefined
}

export type UndiciConnector = (target: UndiciTarget, callback: UndiciCallback) => void

// biome-ignore lint/suspicious/noExplicitAny: undici's types want a Socket of Node
export type UndiciCallback = (...outcome: [error: null, socket: any] | [error: Error, socket: null]) => void

/** Throws a TokenError `ERR_INVALID_OPTION`. Requests to `http:` URLs are sent without TLS. */
export const undiciConnector = (options: SecureOptions): UndiciConnector => {
  const identity = identityOf(options)
  const { key: _key, cert: _cert, ca: _ca, ...secure } = options
  return (target, callback) => {
    const { hostname, protocol, httpSocket } = target
    const port = Number(target.port || (protocol === "https:" ? 443 : 80))
    if (protocol !== "https:") return tellWhen(dial({ host: hostname, port, noDelay: true }), "connect", callback)
    const settings: OpenOptions = {
      ALPNProtocols: ["http/1.1"],
      ...secure,
      host: hostname,
      port,
      servername: secure.servername ?? target.servername,
      ...(target.localAddress && { localAddress: target.localAddress }),
      ...(httpSocket && { socket: httpSocket })
    }
    try {
      tellWhen(open(identity, settings), "secureConnect", callback)
    } catch (error) {
      callback(error as Error, null)
    }
  }
}

const tellWhen = (stream: Duplex | Socket, event: string, callback: UndiciCallback): void => {
  const failed = (error: Error) => {
    stream.off(event, opened)
    callback(error, null)
  }
  const opened = () => {
    stream.off("error", failed)
    callback(null, stream)
  }
  stream.once(event, opened).once("error", failed)
}
