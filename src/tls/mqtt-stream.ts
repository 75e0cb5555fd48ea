/** Connections for mqtt.js: `new MqttClient(mqttStream({ … }), options)`. */

import type { EventEmitter } from "node:events"
import { errorCode } from "../platform/process/error-code.ts"
import type { ConnectOptions } from "./connect-options.ts"
import { identityOf, open } from "./open-connection.ts"
import type { TlsStream } from "./tls-stream.ts"

/** Called by mqtt.js for its first connection, and for each reconnection. */
// biome-ignore lint/suspicious/noExplicitAny: the client's type is mqtt's, and not ours to import
export type MqttStreamBuilder = (client: any) => TlsStream

/**
 * Returns a stream builder. `timeout` should be below mqtt.js's `connectTimeout`, so that the reason is reported.
 * Throws a TokenError `ERR_INVALID_OPTION`.
 */
export const mqttStream = (options: ConnectOptions): MqttStreamBuilder => {
  const identity = identityOf(options)
  const { key: _key, cert: _cert, ca: _ca, ...place } = options
  const settings = { port: 8883, ...place }
  return (client: EventEmitter) => {
    const stream = open(identity, settings)
    // mqtt.js emits these errors of a stream itself, and drops others.
    return stream.on("error", (error: Error) => {
      if (!handedOn.includes(errorCode(error) ?? "") && client.listenerCount("error") > 0) client.emit("error", error)
    })
  }
}

const handedOn = ["ECONNREFUSED", "ECONNRESET", "EADDRINUSE", "ENOTFOUND", "EPROTO"]
