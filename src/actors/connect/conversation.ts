/** ConnectActor's requests to its MQTT session. */
import { Effect } from "effect"
import type { MqttMessage } from "../../messages/mqtt.ts"
import type { ConnectPeers } from "./peers.ts"

export const message = (topic: string, payload: string, qos: 0 | 1): MqttMessage => ({
  topic,
  payload: new TextEncoder().encode(payload),
  qos,
  retain: false
})

export const payloadText = (heard: MqttMessage): string => new TextDecoder().decode(heard.payload)

export const publish = ({ session }: ConnectPeers, sent: MqttMessage) =>
  session.ask("Publish", { message: sent }, { within: "15 seconds" })

export const subscribe = ({ session }: ConnectPeers, filters: ReadonlyArray<string>, qos: 0 | 1) =>
  session.ask("Subscribe", { filters, qos }, { within: "10 seconds" })

export const nextMessage = ({ session }: ConnectPeers) => session.ask("Next", undefined, { within: "1 minute" })

export const closeQuietly = ({ session }: ConnectPeers): Effect.Effect<void> =>
  // The session may be closed already, or its actor stopped: nothing is left open.
  Effect.ignore(session.ask("Close", undefined, { within: "5 seconds" }))

/** One line of SmartREST: comma separated values. Source: Cumulocity, SmartREST 2.0, "Escaping". */
export const smartRestLine = (fields: ReadonlyArray<string>): string => fields.map(field).join(",")

/** Quoted if necessary; a quote is doubled. A line end would start another message. */
const field = (text: string): string =>
  /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""').replaceAll(/[\r\n]+/g, " ")}"` : text
