/** An agent for node:https and libraries based on it (axios, got, node-fetch, ws): connections signed with an external key. */
import { Agent, type AgentOptions as NodeAgentOptions } from "node:https"
import type { Duplex } from "node:stream"
import type { SecureOptions } from "./connect-options.ts"
import { type Identity, identityOf, type OpenOptions, open } from "./open-connection.ts"

export interface AgentOptions extends SecureOptions {
  /** Keeps connections open for later requests, as in `https.Agent`. Default: true. */
  readonly keepAlive?: boolean | undefined
  readonly keepAliveMsecs?: number | undefined
  readonly maxSockets?: number | undefined
  readonly maxTotalSockets?: number | undefined
  readonly maxFreeSockets?: number | undefined
  readonly scheduling?: "fifo" | "lifo" | undefined
}

/**
 * Returns an agent: `https.get(url, { agent })`. Hosts, ports and server names come from the requests. `destroy()` closes
 * idle connections. Throws a TokenError `ERR_INVALID_OPTION`.
 */
export const createAgent = (options: AgentOptions): Agent => new TokenAgent(options)

class TokenAgent extends Agent {
  readonly #identity: Identity
  readonly #secure: Omit<OpenOptions, "host" | "port" | "socket">

  constructor(options: AgentOptions) {
    const {
      keepAlive = true,
      keepAliveMsecs,
      maxSockets,
      maxTotalSockets,
      maxFreeSockets,
      scheduling,
      ...rest
    } = options
    const limits = { keepAlive, keepAliveMsecs, maxSockets, maxTotalSockets, maxFreeSockets, scheduling }
    super(Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined)) as NodeAgentOptions)
    this.#identity = identityOf(options)
    const { key: _key, cert: _cert, ca: _ca, ...secure } = rest
    this.#secure = secure
  }

  /** Called by Node with the options of the request. */
  createConnection(request: {
    readonly host?: string
    readonly hostname?: string
    readonly port?: number | string
    readonly servername?: string
    readonly rejectUnauthorized?: boolean
    /** The tunnel of a proxy agent. */
    readonly socket?: Duplex
  }): Duplex {
    const { host, hostname, port, servername, rejectUnauthorized, socket } = request
    return open(this.#identity, {
      ...this.#secure,
      host: host || hostname || "localhost",
      port: Number(port ?? 443),
      servername: this.#secure.servername ?? servername,
      ...(socket && { socket }),
      ...(rejectUnauthorized === false && { rejectUnauthorized })
    })
  }
}
