/** Settings of the connections to Azure IoT and AWS IoT. */
import { cloudDevice } from "./cloud-device.ts"
import type { Setting } from "./setting.ts"
import {
  boolean,
  choice,
  host,
  keepAliveOfAws,
  keepAliveOfAzure,
  path,
  payloadSize,
  set,
  topicPrefix
} from "./setting-types.ts"

export const azureSettings: ReadonlyArray<Setting> = [
  { key: "az.url", type: host, exposed: true, doc: "Endpoint of Azure IoT.", examples: ["myazure.azure-devices.net"] },
  {
    key: "az.root_cert_path",
    type: path,
    default: "/etc/ssl/certs",
    doc: "File or directory with the authorities that may vouch for Azure IoT.",
    examples: ["/etc/tedge/az-trusted-root-certificates.pem"]
  },
  {
    key: "az.topics",
    type: set,
    default: "te/+/+/+/+/m/+,te/+/+/+/+/e/+,te/+/+/+/+/a/+,te/+/+/+/+/status/health",
    exposed: true,
    doc: "Local topics whose messages the mapper forwards to Azure IoT.",
    examples: ["te/+/+/+/+/a/+,te/+/+/+/+/m/+,te/+/+/+/+/e/+"]
  },
  ...cloudDevice("az", "pkcs11:token=my-pkcs11-token;object=my-key"),
  {
    key: "az.mapper.timestamp",
    type: boolean,
    default: "true",
    doc: "Add the time to messages that have none.",
    examples: ["true"]
  },
  {
    key: "az.mapper.timestamp_format",
    type: choice("rfc-3339", "unix"),
    default: "unix",
    doc: "Format of the time in mapped messages.",
    examples: ["rfc-3339", "unix"]
  },
  {
    key: "az.mapper.mqtt.max_payload_size",
    type: payloadSize,
    default: "262144",
    exposed: true,
    doc: "Largest message, in bytes, that is sent to Azure IoT: the whole packet, with its topic. The built-in bridge drops what is larger.",
    examples: ["262144"]
  },
  {
    key: "az.bridge.topic_prefix",
    type: topicPrefix,
    default: "az",
    exposed: true,
    doc: "First level of the local topics that are bridged to Azure IoT. Each profile needs its own.",
    examples: ["az"]
  },
  {
    key: "az.bridge.keepalive_interval",
    type: keepAliveOfAzure,
    default: "60s",
    doc: "After this long without a message the bridge asks Azure IoT for a sign of life: 1 to 1767 seconds.",
    examples: ["60s"]
  }
]

export const awsSettings: ReadonlyArray<Setting> = [
  { key: "aws.url", type: host, exposed: true, doc: "Endpoint of AWS IoT.", examples: ["your-endpoint.amazonaws.com"] },
  {
    key: "aws.root_cert_path",
    type: path,
    default: "/etc/ssl/certs",
    doc: "File or directory with the authorities that may vouch for AWS IoT.",
    examples: ["/etc/tedge/aws-trusted-root-certificates.pem"]
  },
  {
    key: "aws.topics",
    type: set,
    default: "te/+/+/+/+/m/+,te/+/+/+/+/e/+,te/+/+/+/+/a/+,te/+/+/+/+/status/health",
    exposed: true,
    doc: "Local topics whose messages the mapper forwards to AWS IoT.",
    examples: ["te/+/+/+/+/a/+,te/+/+/+/+/m/+,te/+/+/+/+/e/+"]
  },
  ...cloudDevice("aws", "pkcs11:model=PKCS%2315%20emulated"),
  {
    key: "aws.mapper.timestamp",
    type: boolean,
    default: "true",
    doc: "Add the time to messages that have none.",
    examples: ["true"]
  },
  {
    key: "aws.mapper.timestamp_format",
    type: choice("rfc-3339", "unix"),
    default: "unix",
    doc: "Format of the time in mapped messages.",
    examples: ["rfc-3339", "unix"]
  },
  {
    key: "aws.mapper.mqtt.max_payload_size",
    type: payloadSize,
    default: "131072",
    exposed: true,
    doc: "Largest payload, in bytes, that is sent to AWS IoT. The built-in bridge drops what is larger.",
    examples: ["131072"]
  },
  {
    key: "aws.bridge.topic_prefix",
    type: topicPrefix,
    default: "aws",
    exposed: true,
    doc: "First level of the local topics that are bridged to AWS IoT. Each profile needs its own.",
    examples: ["aws"]
  },
  {
    key: "aws.bridge.keepalive_interval",
    type: keepAliveOfAws,
    default: "60s",
    doc: "After this long without a message the bridge asks AWS IoT for a sign of life: 30 to 1200 seconds.",
    examples: ["60s"]
  }
]
