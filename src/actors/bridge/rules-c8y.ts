/**
 * Topics of Cumulocity. Source: thin-edge, built-in bridge rules for c8y (mqtt-core).
 */
import type { BridgeRule } from "../../messages/bridge.ts"
import { inbound, outbound } from "./rule.ts"

export interface CumulocityRules {
  /** `c8y`, or what `c8y.bridge.topic_prefix` says. */
  readonly topicPrefix: string
  /** Device certificate, or user name and password. */
  readonly authenticatesBy: "certificate" | "password"
  /** SmartREST 2.0 and 1.0 template ids. */
  readonly smartrestTemplates: ReadonlyArray<string>
  readonly smartrest1Templates: ReadonlyArray<string>
  readonly mqttService: { readonly enabled: boolean; readonly topics: ReadonlyArray<string> }
}

export const rulesForCumulocity = (settings: CumulocityRules): ReadonlyArray<BridgeRule> => {
  const prefixes = { local: `${settings.topicPrefix}/`, remote: "" }
  const byCertificate = settings.authenticatesBy === "certificate"
  const out = (topic: string) => outbound(prefixes, topic)
  const into = (topic: string) => inbound(prefixes, topic)
  return [
    ...(byCertificate ? [out("s/uat"), into("s/dat")] : []),
    ...modes.flatMap((mode) => [
      out(`${mode}/us/#`),
      out(`${mode}/uc/#`),
      ...(byCertificate ? [] : [out(`${mode}/ul/#`)])
    ]),
    ...sentTopics.map(out),
    ...receivedTopics.map(into),
    ...settings.smartrest1Templates.flatMap((id) => [into(`s/dl/${id}`), into(`s/ol/${id}`)]),
    ...settings.smartrestTemplates.map((id) => into(`s/dc/${id}`)),
    ...(settings.mqttService.enabled ? mqttServiceRules(settings) : [])
  ]
}

/** Filters on either side without which the connection is of no use: what the device says, tokens, operations. */
export const neededForCumulocity = (topicPrefix: string): ReadonlyArray<string> => [
  `${topicPrefix}/s/us/#`,
  `${topicPrefix}/s/uat`,
  "s/dat",
  "s/ds",
  "devicecontrol/notifications"
]

/** SmartREST: persistent, transient, quiescent, CEP. */
const modes = ["s", "t", "q", "c"]

const sentTopics = [
  "s/ut/#",
  "inventory/managedObjects/update/#",
  "measurement/measurements/create/#",
  "measurement/measurements/createBulk/#",
  "event/events/create/#",
  "event/events/createBulk/#",
  "alarm/alarms/create/#",
  "alarm/alarms/createBulk/#"
]

const receivedTopics = ["s/dt", "s/ds", "s/e", "devicecontrol/notifications", "error"]

const mqttServiceRules = ({ topicPrefix, mqttService }: CumulocityRules): ReadonlyArray<BridgeRule> => [
  outbound({ local: `${topicPrefix}/mqtt/out/`, remote: "" }, "#"),
  ...mqttService.topics.map((topic) => inbound({ local: `${topicPrefix}/mqtt/in/`, remote: "" }, topic))
]
