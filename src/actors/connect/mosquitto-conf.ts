/**
 * mosquitto's configuration: the listeners, and the marker of a connection with the built-in bridge.
 *
 * Source: thin-edge, mosquitto files: "tedge-mosquitto.conf".
 */
import type { LocalBrokerSettings } from "../../messages/settings/resolved-settings.ts"

/**
 * For the whole broker. By default it queues 1,000 messages for a disconnected client, and silently drops the
 * rest: the bridge accepts no messages while the cloud is unreachable, so an outage would lose most of them.
 * The bound that is reached first applies; together they limit the memory on a small device.
 */
const outage = ["max_queued_messages 100000", "max_queued_bytes 67108864"]

/** `access`: whether access is configured per listener, or once for the whole broker. */
export const tedgeMosquittoConf = (settings: LocalBrokerSettings, access: "per listener" | "per broker"): string => {
  const scope = access === "per listener" ? ["per_listener_settings true"] : []
  return `${[...scope, ...general, ...localListener(settings), ...externalListener(settings), ...outage].join("\n")}\n`
}

/** Beside thin-edge.io, whose commands rewrite tedge-mosquitto.conf without these lines. */
export const outageConf = `# Written by tedge-hsm: what the local broker keeps while the cloud cannot be reached.\n${outage.join("\n")}\n`

/** Certificates are required at the listener for other hosts, not at the local one. */
export const hasTwoKindsOfListeners = ({ external }: LocalBrokerSettings): boolean =>
  external.bindPort !== undefined && external.caPath !== undefined

/**
 * mosquitto 2.0.12 to 2.0.22 queue nothing for a disconnected client if `per_listener_settings` is true.
 *
 * Source: eclipse-mosquitto, issue 2618 and pull request 3366.
 */
export const forgetsPerListener = (version: string | undefined): boolean => {
  const patch = /^2\.0\.(\d+)/.exec(version ?? "")?.[1]
  return patch !== undefined && Number(patch) >= 12 && Number(patch) <= 22
}

/**
 * A bridge file without a bridge. One line is present until a check has succeeded, another if our
 * service is not the mapper itself: thin-edge.io's commands create the same file for their connections.
 */
export const markerText = (state: "verified" | "unverified", carrier?: string): string =>
  [
    markerLine,
    ...(carrier === undefined ? [] : [`${carrierWords}${carrier}`]),
    ...(state === "verified" ? [] : [unverifiedLine]),
    ""
  ].join("\n")

/** Beside thin-edge.io: the unit that forwards the messages of the connection. */
export const carrierIn = (text: string): string | undefined =>
  text
    .split("\n")
    .find((line) => line.startsWith(carrierWords))
    ?.slice(carrierWords.length)

/** An older connection may have left a real bridge in the file: then mosquitto must be restarted. */
export const isOnlyMarker = (text: string): boolean => text.split("\n").every((line) => /^\s*(?:#.*)?$/.test(line))

export const isUnverified = (text: string): boolean => text.split("\n").includes(unverifiedLine)

const markerLine = "# This file is left empty as the built-in bridge is enabled"

const carrierWords = "# its messages are carried by "

const unverifiedLine = "# not verified: no connection check has succeeded since it was made"

/** Above the message size of every cloud, and bounded for a small device's memory: 16 MiB. */
const general = [
  "connection_messages true",
  ...["error", "warning", "notice", "information", "subscribe", "unsubscribe"].map((type) => `log_type ${type}`),
  "message_size_limit 16777216"
]

const localListener = ({ bindPort, bindAddress }: LocalBrokerSettings): ReadonlyArray<string> => [
  `listener ${bindPort} ${bindAddress}`,
  "allow_anonymous true",
  "require_certificate false"
]

const externalListener = ({ external }: LocalBrokerSettings): ReadonlyArray<string> => {
  if (external.bindPort === undefined) return []
  const anonymous = external.caPath === undefined
  const optional = [
    ["bind_interface", external.bindInterface],
    ["capath", external.caPath],
    ["certfile", external.certFile],
    ["keyfile", external.keyFile]
  ] as const
  return [
    `listener ${external.bindPort} ${external.bindAddress ?? ""}`.trimEnd(),
    `allow_anonymous ${anonymous}`,
    `require_certificate ${!anonymous}`,
    ...optional.flatMap(([key, value]) => (value === undefined ? [] : [`${key} ${value}`]))
  ]
}
