/**
 * The topics of each cloud: a table of rules with the topic's common part and its prefix on either side; and the topic that
 * they give for another.
 *
 * A filter's `+` is one level, `#` the parent and everything below it; neither matches a first level that begins with
 * `$`. Sources: thin-edge, built-in bridge rules for c8y (mqtt-core), aws and az; MQTT 3.1.1, 4.7.
 */
import type { BridgeRule } from "../../messages/bridge.ts"

interface Prefixes {
  readonly local: string
  readonly remote: string
}

const outbound = ({ local, remote }: Prefixes, topic: string): BridgeRule => ({
  direction: "outbound",
  filter: local + topic,
  strip: local,
  add: remote
})

const inbound = ({ local, remote }: Prefixes, topic: string): BridgeRule => ({
  direction: "inbound",
  filter: remote + topic,
  strip: remote,
  add: local
})

export interface CumulocityRules {
  /** `c8y`, or the value of `c8y.bridge.topic_prefix`. */
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

/** Required filters on either side: data of the device, tokens, operations. */
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

export const rulesForAws = (topicPrefix: string, deviceId: string): ReadonlyArray<BridgeRule> => {
  const thing = { local: `${topicPrefix}/`, remote: `thinedge/${deviceId}/` }
  const shadow = { local: `${topicPrefix}/`, remote: `$aws/things/${deviceId}/` }
  const check = `thinedge/devices/${deviceId}/test-connection`
  return [
    outbound(thing, "td/#"),
    inbound(thing, "cmd/#"),
    outbound(shadow, "shadow/#"),
    inbound(shadow, "shadow/#"),
    // The device receives its own message: that is the connection check.
    outbound({ local: `${topicPrefix}/test-connection`, remote: check }, ""),
    inbound({ local: `${topicPrefix}/connection-success`, remote: check }, "")
  ]
}

/** Required filters on either side. */
export const neededForAws = (topicPrefix: string, deviceId: string): ReadonlyArray<string> => [
  `${topicPrefix}/td/#`,
  `thinedge/${deviceId}/cmd/#`
]

export const rulesForAzure = (topicPrefix: string, deviceId: string): ReadonlyArray<BridgeRule> => {
  const device = { local: `${topicPrefix}/`, remote: `devices/${deviceId}/` }
  const hub = { local: `${topicPrefix}/`, remote: "$iothub/" }
  return [
    outbound(device, "messages/events/#"),
    inbound(device, "messages/devicebound/#"),
    outbound(hub, "methods/res/#"),
    inbound(hub, "methods/POST/#"),
    outbound(hub, "twin/GET/#"),
    outbound(hub, "twin/PATCH/#"),
    inbound(hub, "twin/res/#")
  ]
}

/** Required filters on either side. */
export const neededForAzure = (topicPrefix: string, deviceId: string): ReadonlyArray<string> => [
  `${topicPrefix}/messages/events/#`,
  `devices/${deviceId}/messages/devicebound/#`
]

export type Direction = BridgeRule["direction"]

/**
 * The topic on the other side: the first matching rule decides, as in thin-edge's bridge. Undefined: no rule, or nothing left
 * of the topic below the prefix.
 */
export const targetTopic = (
  rules: ReadonlyArray<BridgeRule>,
  direction: Direction,
  topic: string
): string | undefined => {
  const rule = rules.find((one) => one.direction === direction && matchesFilter(one.filter, topic))
  if (rule === undefined || !topic.startsWith(rule.strip)) return undefined
  const target = rule.add + topic.slice(rule.strip.length)
  return target === "" ? undefined : target
}

/** Subscriptions on the side where messages of this direction come from. */
export const filtersOf = (rules: ReadonlyArray<BridgeRule>, direction: Direction): ReadonlyArray<string> => [
  ...new Set(rules.filter((rule) => rule.direction === direction).map((rule) => rule.filter))
]

export const matchesFilter = (filter: string, topic: string): boolean => {
  if (topic.startsWith("$") && !filter.startsWith("$")) return false
  const wanted = filter.split("/")
  const levels = topic.split("/")
  for (const [index, level] of wanted.entries()) {
    if (level === "#") return true
    if (index >= levels.length) return false
    if (level !== "+" && level !== levels[index]) return false
  }
  return wanted.length === levels.length
}

/** A topic name is UTF-8 of at most 65,535 bytes (MQTT 3.1.1, 1.5.3), and not empty (4.7.3). */
export const isTopic = (text: string): boolean => {
  const bytes = Buffer.byteLength(text)
  return bytes > 0 && bytes <= 65_535 && !/[+#]/.test(text) && !text.includes("\0")
}
