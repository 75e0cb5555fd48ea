/**
 * Documented reasons for which a cloud closes the connection: such messages are logged, and not sent.
 *
 * Sources: docs.aws.amazon.com/general/latest/gr/iot-core.html, message broker (256 bytes of topic, seven slashes, both
 * without Basic Ingest's prefix); "Device Shadow MQTT topics" and API reference, GetThingShadow (names of shadows);
 * learn.microsoft.com, "Communicate with an IoT hub using the MQTT protocol" (twin, direct methods) and "IoT Hub quotas
 * and throttling" (message size).
 */
import type { CloudRule } from "../../messages/bridge.ts"

export interface CloudLimits {
  /** For a topic in the cloud. Undefined: nothing is known against it. */
  readonly against: (topic: string) => CloudRule | undefined
  /** The limit of a message's size counts the PUBLISH packet, not only its payload. */
  readonly countsPacket: boolean
}

export const noLimits: CloudLimits = { against: () => undefined, countsPacket: false }

export const limitsOf = (cloud: "c8y" | "az" | "aws"): CloudLimits => {
  switch (cloud) {
    case "c8y":
      return noLimits
    case "az":
      return { against: againstAzure, countsPacket: true }
    case "aws":
      return { against: againstAws, countsPacket: false }
  }
}

/** The first three levels of Basic Ingest (`$aws/rules/{rule}/`) count neither for the levels nor for the bytes. */
const againstAws = (topic: string): CloudRule | undefined => {
  const counted = topic.replace(/^\$aws\/rules\/[^/]+\//i, "")
  const bytes = Buffer.byteLength(counted)
  if (bytes > awsTopicBytes) return { kind: "topicBytes", bytes, limit: awsTopicBytes }
  const levels = counted.split("/").length
  if (levels > awsLevels) return { kind: "levels", levels, limit: awsLevels }
  if (!topic.startsWith("$") || counted !== topic || awsShadow.test(topic)) return undefined
  return { kind: "reserved", target: topic, allowed: "shadow/get, update or delete, also below shadow/name/<name>/" }
}

const awsTopicBytes = 256
const awsLevels = 8

const awsShadow = /^\$aws\/things\/[^/]+\/shadow\/(name\/[$A-Za-z0-9:_-]{1,64}\/)?(get|update|delete)$/

const againstAzure = (topic: string): CloudRule | undefined => {
  if (!topic.startsWith("$") || azureRequests.some((request) => request.test(topic))) return undefined
  const allowed = "twin/GET/?$rid=<id>, twin/PATCH/properties/reported/?$rid=<id> or methods/res/<status>/?$rid=<id>"
  return { kind: "reserved", target: topic, allowed }
}

const azureRequests = [
  /^\$iothub\/twin\/GET\/\?(?:[^/]*&)?\$rid=[^/&]+/,
  /^\$iothub\/twin\/PATCH\/properties\/reported\/\?(?:[^/]*&)?\$rid=[^/&]+/,
  /^\$iothub\/methods\/res\/-?\d+\/\?(?:[^/]*&)?\$rid=[^/&]+/
]
