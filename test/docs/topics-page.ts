/** The text of docs/topics.md, from the rules of the bridge, the topics of services and the metrics. */
import { rulesForAws, rulesForAzure, rulesForCumulocity } from "../../src/actors/bridge/rules.ts"
import { Metrics } from "../../src/actors/p11-server/metrics.ts"
import { MapperMetrics } from "../../src/cli/services/mapper/mapper-metrics.ts"
import type { BridgeRule } from "../../src/messages/bridge.ts"
import { serviceTopics } from "../../src/messages/service-topics.ts"
import { requestTimes } from "../actors/p11-server/request-times.ts"

export const topicsPage = (): string => `# Topics and metrics

This page is made from the code by \`test/docs/topics.test.ts\`; change the code, not the page.

## Topics of the services

On the local broker. \`te\` is \`mqtt.topic_root\`, \`device/main//\` is \`mqtt.device_topic_id\`; a profile adds its name: \`tedge-mapper-c8y@prod\`.

${table(["topic", "holds"], serviceRows)}

All but the check are retained. Contents: [health](observing.md#health), [settings](observing.md#settings).

## Topics of the bridge

\`<id>\` is the device id. \`c8y\`, \`az\` and \`aws\` are \`c8y.bridge.topic_prefix\`, \`az.bridge.topic_prefix\` and \`aws.bridge.topic_prefix\`.

### Cumulocity

${rulesTable(rulesForCumulocity({ ...c8y, authenticatesBy: "certificate" }))}

With a user name and a password in place of the certificate there is no \`s/uat\` and no \`s/dat\`, and these are there as well:

${rulesTable(rulesForCumulocity({ ...c8y, authenticatesBy: "password" }).filter(({ filter }) => /\/ul\//.test(filter)))}

\`<template>\` stands for each of \`c8y.smartrest.templates\` and \`c8y.smartrest1.templates\`; the topics under \`c8y/mqtt\` are there when
\`c8y.mqtt_service.enabled\` is set, \`<topic>\` is each of \`c8y.mqtt_service.topics\`.

### Azure IoT Hub

${rulesTable(rulesForAzure("az", "<id>"))}

### AWS IoT Core

${rulesTable(rulesForAws("aws", "<id>"))}

## Metrics

In the text format of Prometheus. Of a mapper: \`{"version":1,"ask":"metrics"}\` on [its socket](observing.md#the-socket-of-a-service). Of the
signing service: there, and in the file of [\`metrics_file\`](p11-server.md#metrics). For a collector:
[OpenTelemetry](observing.md#traces-and-metrics-for-a-collector).

${table(["metric", "type", "labels", "meaning"], [...metricRows(mapperText()), ...metricRows(serverText())])}
`

const { registration, health, config, healthChecks } = serviceTopics(
  { topicRoot: "te", deviceTopicId: "device/main//" },
  "tedge-mapper-c8y"
)
const bridge = serviceTopics({ topicRoot: "te", deviceTopicId: "device/main//" }, "tedge-mapper-bridge-c8y")

const serviceRows = [
  [code(registration), "the registration of the mapper as a service"],
  [code(health), "the health of the mapper"],
  [code(config), "its settings, without secrets"],
  [code(bridge.registration), "the registration of the bridge as a service"],
  [code(bridge.health), "the health of the bridge"],
  [code(bridge.reason), "why the bridge is down, in words"],
  [healthChecks.map(code).join(", "), "a message makes the mapper publish its health again"]
]

const c8y = {
  topicPrefix: "c8y",
  smartrestTemplates: ["<template>"],
  smartrest1Templates: ["<template>"],
  mqttService: { enabled: true, topics: ["<topic>"] }
}

function rulesTable(rules: ReadonlyArray<BridgeRule>): string {
  const rows = rules.map(({ direction, filter, strip, add }) => {
    const other = add + filter.slice(strip.length)
    return direction === "outbound"
      ? [code(filter), "to the cloud", code(other)]
      : [code(other), "from the cloud", code(filter)]
  })
  return table(["local topic", "direction", "topic in the cloud"], rows)
}

function mapperText(): string {
  const metrics = new MapperMetrics()
  metrics.record({ name: "signature", ms: 1, times: 1, labels: { outcome: "success" } })
  metrics.record({ name: "puback", ms: 1, times: 1, labels: { side: "cloud" } })
  const link = { _tag: "Up", sessionPresent: true, connection: 1, faults: [] } as const
  return metrics.text({
    health: "up",
    local: link,
    cloud: link,
    counters: { outbound: 1, inbound: 1, dropped: 0, waiting: 0 }
  })
}

function serverText(): string {
  const metrics = new Metrics()
  const token = "t"
  const request = { client: { uid: 1, gid: 1, pid: 1 }, operation: "sign" as const, uri: undefined }
  const signed = { times: requestTimes(1), isSignature: true }
  metrics.record({ _tag: "RequestServed", ...request, ...signed })
  metrics.record({ _tag: "RequestRefused", ...request, ...signed, reason: "", isAudited: true })
  metrics.record({ _tag: "ClientAborted", client: request.client, reason: "gone" })
  metrics.recordToken({ _tag: "HostReplaced", token, reason: "" })
  metrics.recordToken({ _tag: "TokenGone", token, reason: "" })
  metrics.recordToken({ _tag: "TokenPlugged", token })
  metrics.recordToken({ _tag: "PinLatched", token })
  return metrics.text({ connections: 0, answering: 0 })
}

/** `# HELP name text`, `# TYPE name type`. */
function metricRows(text: string): ReadonlyArray<ReadonlyArray<string>> {
  const families = text.matchAll(/^# HELP (\S+) (.+)\n# TYPE \S+ (\w+)(?:\n[^\s{]+\{(.*)\} )?/gm)
  return [...families].map(([, name = "", help = "", type = "", labels = ""]) => [
    code(name),
    type,
    [...labels.matchAll(/(\w+)="/g)].flatMap(([, label = ""]) => (label === "le" ? [] : [code(label)])).join(", "),
    help
  ])
}

function table(head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n")
}

function code(text: string): string {
  return `\`${text}\``
}
