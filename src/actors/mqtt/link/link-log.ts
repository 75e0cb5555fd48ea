/** The log lines of a link, in the words of thin-edge's mapper. */
import { Effect } from "effect"
import { quoted } from "../../../messages/explain/explanation.ts"
import { refusedFilter } from "../../../messages/explain/mqtt.ts"
import { explain } from "../../../messages/explain.ts"
import type { LinkStatus, MqttRefusal, Side } from "../../../messages/mqtt.ts"
import type { OversizedPublish } from "../client/packet-reader.ts"
import type { Handshake } from "../dial/resumption.ts"

/** The name of a link in the log. The bridge's links differ by their side. */
export interface LinkLogName {
  readonly target: string
  /** `MQTT bridge`, or the name of another user of the connection. */
  readonly name: string
  /** Another link logs the same about the same broker: its changes are logged at debug level, except when frequent. */
  readonly isSecond: boolean
}

interface LogSource {
  readonly log: LinkLogName
  readonly side: Side
}

/** `before`: the last logged failure; the same one again, after a short delay, is logged at debug level. */
export const logStatus = (source: LogSource, status: LinkStatus, before: LinkStatus | undefined): Effect.Effect<void> =>
  logged(source, statusLine(source, status, before))

const logged = ({ log }: LogSource, line: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.annotateLogs(line, { target: log.target })

const prefix = ({ log, side }: LogSource): string => `[${side}] ${log.name}`

const statusLine = (source: LogSource, status: LinkStatus, before: LinkStatus | undefined): Effect.Effect<void> => {
  const start = prefix(source)
  const { side, log } = source
  const info = log.isSecond ? Effect.logDebug : Effect.logInfo
  switch (status._tag) {
    case "Connecting":
      return Effect.logDebug(`${start} connecting to ${side} broker`)
    case "Up": {
      const up = info(`${start} connected to ${side} broker`)
      const faults = Effect.forEach(
        status.faults,
        (fault) =>
          Effect.logWarning(`${start}: ${side} broker does not grant the subscription to ${refusedFilter(fault)}`),
        { discard: true }
      )
      return Effect.andThen(up, faults)
    }
    case "Down": {
      const { error, hint } = explain(status.failure)
      const text = `${start} failed to connect to ${side} broker: ${error}`
      const retry = `next attempt in ${Math.round(status.retryInMs / 1000)} s`
      const line = hint === undefined ? `${text} (${retry})` : `${text} (${retry}); ${hint}`
      const isKnown = before?._tag === "Down" && sameButNumbers(explain(before.failure).error, error)
      const isDue = status.retryInMs >= worthALineMs || status.attempt % namedEvery === 0
      return log.isSecond || (isKnown && !isDue) ? Effect.logDebug(line) : Effect.logError(line)
    }
    case "Stopped":
      return info(`${start} disconnected from ${side} broker`)
  }
}

/** Whether the key was used for this connection. */
export const logHandshake = (source: LogSource, handshake: Handshake | undefined): Effect.Effect<void> =>
  handshake === undefined
    ? Effect.void
    : logged(
        source,
        Effect.logInfo(
          `${prefix(source)} TLS handshake with ${source.side} broker: ${handshake === "resumed" ? "session resumed, no signature" : "signed with the device's key"}`
        )
      )

/** `isKept`: the broker keeps the session, and with it the overflow. */
export const logOverflow = (source: LogSource, isKept: boolean): Effect.Effect<void> => {
  const text = `${prefix(source)}: receive buffer full: too many messages from ${source.side} broker`
  return logged(
    source,
    isKept ? Effect.logInfo(`${text}; fetching the rest`) : Effect.logError(`${text}; the rest is lost`)
  )
}

export const logOversized = (source: LogSource, { topic, size }: OversizedPublish): Effect.Effect<void> =>
  logged(
    source,
    Effect.logWarning(
      `${prefix(source)}: discarded a message of ${size} bytes from ${source.side} broker on topic ${quoted(topic)}: too large to forward`
    )
  )

/** Later ones were acknowledged. */
export const logMissingAcks = (source: LogSource, missing: number): Effect.Effect<void> =>
  logged(
    source,
    Effect.logWarning(
      `${prefix(source)}: ${source.side} broker acknowledges later messages, but not ${missing} sent before them: it may discard messages above its rate limit (publish_rate). They are resent on the next connection, within two minutes`
    )
  )

/** For every link: a single loss may not be logged. */
export const logLostOften = (
  source: LogSource,
  { times, withinMinutes }: { readonly times: number; readonly withinMinutes: number },
  last: MqttRefusal
): Effect.Effect<void> =>
  logged(
    source,
    Effect.logWarning(
      `${prefix(source)} lost the connection to ${source.side} broker ${times} times within ${withinMinutes} minutes; last: ${explain(last).error}`
    )
  )

export const logRetry = (source: LogSource, because: string): Effect.Effect<void> =>
  logged(source, Effect.logInfo(`${prefix(source)} reconnecting to ${source.side} broker now: ${because}`))

/** A module's message may contain a process id or a time that differs at each attempt. */
const sameButNumbers = (one: string, other: string): boolean => one.replace(/\d+/g, "0") === other.replace(/\d+/g, "0")

const worthALineMs = 60_000
/** Attempts with short delays: a lasting failure also appears in the last minutes of the log. */
const namedEvery = 20
