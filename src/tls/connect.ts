/**
 * TLS client connections that are signed for by a key elsewhere.
 *
 * While the key signs, the event loop goes on: the handshake is suspended in OpenSSL, on a stack of its own. TLS 1.2
 * and 1.3, verification of servers as strict as rustls': names from subjectAltName only, no SHA-1, no RSA below 2048 bits.
 */
import type { ConnectOptions } from "./connect-options.ts"
import { identityOf, open } from "./open-connection.ts"
import type { TlsStream } from "./tls-stream.ts"

/**
 * Opens a connection. `onSecure` is called with `secureConnect`. In TLS 1.3 a server judges the client's certificate
 * after that: its refusal comes as an `error`, as with Node's tls.
 *
 * Throws a TokenError `ERR_INVALID_OPTION`; everything else comes as an `error` of the stream.
 */
export const connect = (options: ConnectOptions, onSecure?: () => void): TlsStream => {
  const identity = identityOf(options)
  return open(identity, options, onSecure)
}
