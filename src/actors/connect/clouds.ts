/**
 * Differences between the clouds, as data: names, the request of the connection check, its response.
 *
 * Source: thin-edge, tedge connect: "Connection check".
 */
import type { CloudName } from "../../messages/connect.ts"
import type { MqttMessage } from "../../messages/mqtt.ts"
import { payloadText } from "./conversation.ts"

export interface CloudFacts {
  readonly name: CloudName
  /** As shown to users. */
  readonly displayName: string
  /** The device is registered with a message, before anything else (Cumulocity only). */
  readonly createsDevice: boolean
  /** It manages the device's software, which tedge-agent handles. */
  readonly hasAgent: boolean
  /** Topics are without the bridge's prefix. */
  readonly question: (auth: "certificate" | "basic") => Question
}

interface Question {
  readonly ask: (id: string) => { readonly topic: string; readonly payload: string; readonly qos: 0 | 1 }
  readonly listen: string
  /** How a message on these topics responds to the request with this id. */
  readonly judge: (message: MqttMessage, id: string) => Judgement
}

/** A number: the status code of the cloud's refusal. */
type Judgement = "answer" | "other" | number

const startsWith =
  (text: string) =>
  (message: MqttMessage): Judgement =>
    payloadText(message).startsWith(text) ? "answer" : "other"

/** `…/twin/res/{status}/?$rid={id}`. Source: Azure IoT Hub, retrieving a device twin's properties. */
const judgeTwin = ({ topic }: MqttMessage, id: string): Judgement => {
  const [, status = "", properties = ""] = /\/res\/(\d{3})\/\?(.*)$/.exec(topic) ?? []
  if (!properties.split("&").includes(`$rid=${id}`)) return "other"
  return status === "200" ? "answer" : Number(status)
}

export const clouds: Readonly<Record<CloudName, CloudFacts>> = {
  c8y: {
    name: "c8y",
    displayName: "Cumulocity",
    createsDevice: true,
    hasAgent: true,
    question: (auth) =>
      auth === "certificate"
        ? { ask: () => ({ topic: "s/uat", payload: "", qos: 0 }), listen: "s/dat", judge: startsWith("71,") }
        : { ask: () => ({ topic: "s/us", payload: "123", qos: 0 }), listen: "s/ds", judge: startsWith("124,") }
  },
  az: {
    name: "az",
    displayName: "Azure",
    createsDevice: false,
    hasAgent: false,
    question: () => ({
      ask: (id) => ({ topic: `twin/GET/?$rid=${id}`, payload: "", qos: 1 }),
      listen: "twin/res/#",
      judge: judgeTwin
    })
  },
  aws: {
    name: "aws",
    displayName: "AWS",
    createsDevice: false,
    hasAgent: false,
    question: () => ({
      ask: () => ({ topic: "test-connection", payload: "", qos: 1 }),
      listen: "connection-success",
      judge: () => "answer"
    })
  }
}
