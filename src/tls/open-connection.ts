/**
 * TLS client connections signed with an external key.
 *
 * The event loop is not blocked while the key signs: the handshake is suspended in OpenSSL, on its own stack. TLS 1.2
 * and 1.3; servers are verified as strictly as by rustls: names from subjectAltName only, no SHA-1, no RSA below 2048 bits.
 */
import { connect as dial } from "node:net"
import type { Duplex } from "node:stream"
import { publicKeyInfo } from "../platform/tls/tls-certificates.ts"
import type { TlsSigner } from "../platform/tls/tls-client-signature.ts"
import type { TlsTarget } from "../platform/tls/tls-target.ts"
import { certificateText, trustedBy } from "./certificates.ts"
import type { ConnectOptions, IdentityOptions } from "./connect-options.ts"
import { callSigner, publicKeyOf, type SigningKey, schemeNamed } from "./key.ts"
import type { TlsStream } from "./tls-stream.ts"
import { aborted, invalidOption, TokenError } from "./token-error.ts"
import { TokenTlsStream } from "./token-tls-stream.ts"

/** Checked once, for many connections. */
export interface Identity extends Pick<TlsTarget, "trusted" | "certificateChain" | "publicKey"> {
  readonly sign: TlsSigner
}

/** Throws a TokenError. */
export const identityOf = (options: IdentityOptions): Identity => {
  refuseUnsupported(options)
  const publicKey = publicKeyOf(options.key)
  return {
    trusted: trustedBy(options.ca),
    certificateChain: certificateText(options.cert),
    publicKey: publicKeyInfo(publicKey),
    sign: signerOf(options.key)
  }
}

const signerOf =
  (key: SigningKey): TlsSigner =>
  async (code, message, signal) => {
    const scheme = schemeNamed(code)
    if (scheme === undefined) throw new TokenError("ERR_SCHEME_NOT_SUPPORTED", `unknown signature scheme ${code}`)
    return callSigner(key, scheme, message, { signal })
  }

export type OpenOptions = Omit<ConnectOptions, keyof IdentityOptions>

/** Throws a TokenError. */
export const open = (identity: Identity, options: OpenOptions, onSecure?: () => void): TlsStream => {
  const { host = "localhost", signal, minVersion, timeout = 90_000 } = options
  refuseUnsupported(options)
  if (minVersion !== undefined && minVersion !== "TLSv1.2" && minVersion !== "TLSv1.3")
    throw invalidOption("minVersion is TLSv1.2 or TLSv1.3: older versions are not supported")
  if (!(timeout > 0 && timeout < 2 ** 31)) throw invalidOption("timeout is a number of milliseconds above 0")
  const port = options.socket === undefined ? portOf(options.port) : 0
  const { sign, ...texts } = identity
  const target = {
    ...texts,
    host,
    port,
    serverName: options.servername || host.replace(/^\[|\]$/g, ""),
    timeoutMs: timeout,
    alpn: (options.ALPNProtocols ?? []).map((name) => {
      const text = name instanceof Uint8Array ? Buffer.from(name).toString("latin1") : name
      if (typeof text === "string" && text.length > 0 && text.length < 256) return text
      throw invalidOption("ALPNProtocols must be a list of names of 1 to 255 bytes")
    }),
    ...(minVersion && { minVersion }),
    socket: options.socket ?? socketTo(host, port, options)
  }
  const stream = new TokenTlsStream(target, sign)
  if (onSecure) stream.once("secureConnect", onSecure)
  if (signal) endWith(stream, signal)
  return stream
}

const socketTo = (host: string, port: number, { lookup, family, localAddress }: OpenOptions): Duplex =>
  dial({
    host: host.replace(/^\[|\]$/g, ""),
    port,
    noDelay: true,
    ...(lookup && { lookup }),
    ...(family !== undefined && { family }),
    ...(localAddress !== undefined && { localAddress })
  })

const endWith = (stream: TokenTlsStream, signal: AbortSignal): void => {
  const end = () => void stream.destroy(aborted(signal))
  if (signal.aborted) return void process.nextTick(end)
  signal.addEventListener("abort", end, { once: true })
  stream.once("close", () => signal.removeEventListener("abort", end))
}

const portOf = (port: unknown): number => {
  const number = Number(port)
  if (port !== undefined && port !== "" && Number.isInteger(number) && number >= 0 && number < 65_536) return number
  throw invalidOption("port must be a number from 0 to 65535")
}

/** Options of Node's tls that would weaken a connection, or that are not supported. */
const refuseUnsupported = (options: object): void => {
  const given = options as Readonly<Record<string, unknown>>
  if (given.rejectUnauthorized === false)
    throw invalidOption(
      "rejectUnauthorized: false is not supported: every server is verified",
      "pass its CA certificate as ca"
    )
  const found = unsupported.find((name) => given[name] !== undefined && given[name] !== null)
  if (found !== undefined) throw invalidOption(`the option ${found} of Node's tls is not supported`)
}

const unsupported = [
  "checkServerIdentity",
  "pfx",
  "secureContext",
  "crl",
  "ciphers",
  "maxVersion",
  "sigalgs",
  "session"
]

/**
 * Opens a connection. `onSecure` is called with `secureConnect`. With TLS 1.3 a server checks the client's certificate
 * after that: a rejection is emitted as `error`, as with Node's tls.
 *
 * Throws a TokenError `ERR_INVALID_OPTION`; all other errors are emitted as `error` of the stream.
 */
export const connect = (options: ConnectOptions, onSecure?: () => void): TlsStream =>
  open(identityOf(options), options, onSecure)
