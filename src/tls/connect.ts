/**
 * TLS client connections signed with an external key.
 *
 * The event loop is not blocked while the key signs: the handshake is suspended in OpenSSL, on its own stack. TLS 1.2
 * and 1.3; servers are verified as strictly as by rustls: names from subjectAltName only, no SHA-1, no RSA below 2048 bits.
 */
import type { ConnectOptions } from "./connect-options.ts"
import { identityOf, open } from "./open-connection.ts"
import type { TlsStream } from "./tls-stream.ts"

/**
 * Opens a connection. `onSecure` is called with `secureConnect`. With TLS 1.3 a server checks the client's certificate
 * after that: a rejection is emitted as `error`, as with Node's tls.
 *
 * Throws a TokenError `ERR_INVALID_OPTION`; all other errors are emitted as `error` of the stream.
 */
export const connect = (options: ConnectOptions, onSecure?: () => void): TlsStream => {
  const identity = identityOf(options)
  return open(identity, options, onSecure)
}
