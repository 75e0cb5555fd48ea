/**
 * Detects another program that serves the same cloud on this local broker: thin-edge's own mapper, or a bridge
 * of mosquitto's. It shows in its messages, and in taken-over connections, as it has our client ids.
 *
 * Sources: thin-edge, "Health monitoring"; mosquitto.conf(5), notification_topic; MQTT 5.0, 3.14.2.1.
 */
import { type LinkStatus, type MqttMessage, sessionTakenOver } from "../../messages/mqtt.ts"

export interface OtherMapperTopics {
  /** Where a mapper of the same cloud publishes its health: our own topic is among them. */
  readonly mapperHealth: ReadonlyArray<string>
  /** Where mosquitto publishes the state of its bridge to the same cloud. */
  readonly mosquittoHealth: string
}

type OtherMapperSign =
  | { readonly _tag: "Answers"; readonly topic: string; readonly pid: number | undefined }
  | { readonly _tag: "MosquittoBridge"; readonly topic: string }
  | { readonly _tag: "TakesOver" }

export class OtherMapper {
  private readonly topics: OtherMapperTopics
  private readonly own: Array<string> = []
  private answer: { readonly sign: OtherMapperSign; readonly at: number } | undefined
  private mosquittoIsUp = false
  private takenOverAt = Number.NEGATIVE_INFINITY

  constructor(topics: OtherMapperTopics) {
    this.topics = topics
  }

  /** We publish this ourselves, and may receive it. */
  ownHealth({ payload }: MqttMessage): void {
    this.own.push(utf8(payload))
    if (this.own.length > ownRemembered) this.own.shift()
  }

  received({ topic, payload, retain }: MqttMessage, now: number): void {
    const text = utf8(payload)
    if (topic === this.topics.mosquittoHealth) this.mosquittoIsUp = text.trim() === "1" || statusOf(text)?.isUp === true
    if (!this.topics.mapperHealth.includes(topic)) return
    // Retained: of a former mapper, perhaps an earlier run of ours that lost power. A running one answers the check.
    if (retain || this.own.includes(text)) return
    const status = statusOf(text)
    if (status?.isUp) this.answer = { sign: { _tag: "Answers", topic, pid: status.pid }, at: now }
  }

  linkChanged(status: LinkStatus, now: number): void {
    if (isTakenOver(status)) this.takenOverAt = now
  }

  /** Of a check requested at `since`. */
  signSince(since: number, now: number): OtherMapperSign | undefined {
    if (this.answer !== undefined && this.answer.at >= since) return this.answer.sign
    if (this.mosquittoIsUp) return { _tag: "MosquittoBridge", topic: this.topics.mosquittoHealth }
    return now - this.takenOverAt < takeoverCountsMs ? { _tag: "TakesOver" } : undefined
  }

  /** Within the last minutes. */
  hasAnswered(now: number): boolean {
    return this.answer !== undefined && now - this.answer.at < answerCountsMs
  }
}

export const explainOtherMapper = (sign: OtherMapperSign): string => {
  switch (sign._tag) {
    case "Answers":
      return `another mapper${sign.pid === undefined ? "" : ` (process ${sign.pid})`} answers on ${sign.topic}`
    case "MosquittoBridge":
      return `a bridge of mosquitto is up according to ${sign.topic}`
    case "TakesOver":
      return "another client connects with a client id of this mapper"
  }
}

const isTakenOver = (status: LinkStatus): boolean => {
  if (status._tag !== "Down") return false
  const { failure } = status
  return (
    failure._tag === "ClientIdContested" || (failure._tag === "BrokerDisconnected" && failure.code === sessionTakenOver)
  )
}

const statusOf = (text: string): { readonly isUp: boolean; readonly pid: number | undefined } | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== "object" || value === null || !("status" in value)) return undefined
    const pid = "pid" in value && typeof value.pid === "number" ? value.pid : undefined
    return { isUp: value.status === "up", pid }
  } catch {
    return undefined
  }
}

const utf8 = (payload: Uint8Array): string => Buffer.from(payload).toString()

/** Two that take an id from each other reconnect after minutes at most. */
const takeoverCountsMs = 10 * 60_000

const answerCountsMs = 10 * 60_000

const ownRemembered = 16
