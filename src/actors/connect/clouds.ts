/**
 * What differs between the clouds, as data: names, the question of the connection check, what its answer looks like.
 *
 * Source: thin-edge, tedge connect: "Connection check".
 */
import type { CloudName } from "../../messages/connect.ts"
import type { MqttMessage } from "../../messages/mqtt.ts"
import { payloadText } from "./conversation.ts"

export interface CloudFacts {
  readonly name: CloudName
  /** As it stands in the lines users read. */
  readonly displayName: string
  /** The device is made known with a message, before anything else (Cumulocity only). */
  readonly createsDevice: boolean
  /** It manages the device's software, for which tedge-agent is. */
  readonly hasAgent: boolean
  /** Topics are without the bridge's prefix. */
  readonly question: (auth: "certificate" | "basic") => Question
}

export interface Question {
  readonly ask: { readonly topic: string; readonly payload: string; readonly qos: 0 | 1 }
  readonly listen: string
  readonly isAnswer: (message: MqttMessage) => boolean
}

const startsWith = (text: string) => (message: MqttMessage) => payloadText(message).startsWith(text)

export const clouds: Readonly<Record<CloudName, CloudFacts>> = {
  c8y: {
    name: "c8y",
    displayName: "Cumulocity",
    createsDevice: true,
    hasAgent: true,
    question: (auth) =>
      auth === "certificate"
        ? { ask: { topic: "s/uat", payload: "", qos: 0 }, listen: "s/dat", isAnswer: startsWith("71,") }
        : { ask: { topic: "s/us", payload: "123", qos: 0 }, listen: "s/ds", isAnswer: startsWith("124,") }
  },
  az: {
    name: "az",
    displayName: "Azure",
    createsDevice: false,
    hasAgent: false,
    question: () => ({
      ask: { topic: "twin/GET/?$rid=1", payload: "", qos: 1 },
      listen: "twin/res/#",
      isAnswer: (message) => message.topic.includes("/res/200/")
    })
  },
  aws: {
    name: "aws",
    displayName: "AWS",
    createsDevice: false,
    hasAgent: false,
    question: () => ({
      ask: { topic: "test-connection", payload: "", qos: 1 },
      listen: "connection-success",
      isAnswer: () => true
    })
  }
}
