/** Settings of the connection to Cumulocity. */
import { cloudDevice } from "./cloud-device.ts"
import type { Setting } from "./setting.ts"
import {
  boolean,
  choice,
  duration,
  host,
  hostPort,
  ip,
  keepAlive,
  path,
  payloadSize,
  port,
  set,
  setInTopic,
  text,
  topicPrefix
} from "./setting-types.ts"

export const cumulocitySettings: ReadonlyArray<Setting> = [
  {
    key: "c8y.url",
    type: host,
    exposed: true,
    doc: "Domain of the Cumulocity tenant. c8y.http and c8y.mqtt are derived from it.",
    examples: ["your-tenant.cumulocity.com"]
  },
  {
    key: "c8y.root_cert_path",
    type: path,
    default: "/etc/ssl/certs",
    doc: "File or directory with the authorities that may vouch for Cumulocity.",
    examples: ["/etc/tedge/c8y-trusted-root-certificates.pem"]
  },
  {
    key: "c8y.auth_method",
    type: { kind: "choice", choices: ["certificate", "basic", "auto"], synonyms: { password: "basic" } },
    default: "certificate",
    exposed: true,
    doc: "How the device shows who it is: with its certificate, with user and password, or with whichever exists.",
    examples: ["certificate", "basic", "auto"]
  },
  {
    key: "c8y.credentials_path",
    type: path,
    default: { inConfigDir: "credentials.toml" },
    doc: "File that holds user and password for basic authentication.",
    examples: ["/etc/tedge/credentials.toml"]
  },
  {
    key: "c8y.http",
    type: hostPort(443),
    fallback: ["c8y.url"],
    exposed: true,
    doc: "HTTPS endpoint of the tenant, with its port if that is not 443.",
    examples: ["http.your-tenant.cumulocity.com:1234"]
  },
  {
    key: "c8y.mqtt",
    type: hostPort(8883),
    fallback: ["c8y.url"],
    exposed: true,
    doc: "MQTT endpoint of the tenant, with its port if that is not 8883.",
    examples: ["mqtt.your-tenant.cumulocity.com:1234"]
  },
  {
    key: "c8y.topics",
    type: set,
    default:
      "te/+/+/+/+,te/+/+/+/+/twin/+,te/+/+/+/+/m/+,te/+/+/+/+/m/+/meta,te/+/+/+/+/e/+,te/+/+/+/+/a/+,te/+/+/+/+/status/health",
    exposed: true,
    doc: "Local topics whose messages the mapper forwards to Cumulocity.",
    examples: ["te/+/+/+/+/a/+,te/+/+/+/+/m/+,te/+/+/+/+/m/+/meta,te/+/+/+/+/e/+"]
  },
  ...cloudDevice("c8y", "pkcs11:token=my-pkcs11-token;object=my-key"),
  {
    key: "c8y.smartrest.templates",
    type: setInTopic,
    default: "",
    exposed: true,
    doc: "SmartREST 2.0 templates whose messages are received.",
    examples: ["templateId1,templateId2"]
  },
  {
    key: "c8y.smartrest.use_operation_id",
    type: boolean,
    default: "true",
    doc: "Report on operations by their id (messages 504 to 506) instead of by their name (501 to 503).",
    examples: ["true"]
  },
  {
    key: "c8y.smartrest.child_device.create_with_device_marker",
    type: boolean,
    default: "false",
    doc: "Create child devices with the marker c8y_IsDevice.",
    examples: ["false"]
  },
  {
    key: "c8y.smartrest1.templates",
    type: setInTopic,
    default: "",
    exposed: true,
    doc: "SmartREST 1.0 templates whose messages are received.",
    examples: ["templateId1,templateId2"]
  },
  {
    key: "c8y.enable.log_upload",
    type: boolean,
    default: "true",
    deprecated: ["c8y.enable.log_management"],
    exposed: true,
    doc: "Offer the operation log_upload to Cumulocity.",
    examples: ["true"]
  },
  {
    key: "c8y.enable.config_snapshot",
    type: boolean,
    default: "true",
    exposed: true,
    doc: "Offer the operation config_snapshot to Cumulocity.",
    examples: ["true"]
  },
  {
    key: "c8y.enable.config_update",
    type: boolean,
    default: "true",
    exposed: true,
    doc: "Offer the operation config_update to Cumulocity.",
    examples: ["true"]
  },
  {
    key: "c8y.enable.firmware_update",
    type: boolean,
    default: "true",
    exposed: true,
    doc: "Offer the operation firmware_update to Cumulocity.",
    examples: ["true"]
  },
  {
    key: "c8y.enable.device_profile",
    type: boolean,
    default: "true",
    exposed: true,
    doc: "Offer the operation device_profile to Cumulocity.",
    examples: ["true"]
  },
  {
    key: "c8y.enable.device_restart",
    type: boolean,
    default: "true",
    exposed: true,
    doc: "Offer the operation device_restart to Cumulocity.",
    examples: ["true"]
  },
  {
    key: "c8y.enable.software_update",
    type: boolean,
    default: "true",
    exposed: true,
    doc: "Offer the operation software_update to Cumulocity.",
    examples: ["true"]
  },
  {
    key: "c8y.mapper.mqtt.max_payload_size",
    type: payloadSize,
    default: "16184",
    exposed: true,
    doc: "Largest payload, in bytes, that is sent to Cumulocity. The built-in bridge drops what is larger.",
    examples: ["16184"]
  },
  {
    key: "c8y.proxy.bind.address",
    type: ip,
    default: "127.0.0.1",
    doc: "Address on which the local proxy of the Cumulocity HTTP API listens.",
    examples: ["127.0.0.1"]
  },
  {
    key: "c8y.proxy.bind.port",
    type: port,
    default: "8001",
    doc: "Port on which the local proxy of the Cumulocity HTTP API listens. Each profile needs its own.",
    examples: ["8001"]
  },
  {
    key: "c8y.proxy.client.host",
    type: text,
    default: "127.0.0.1",
    exposed: true,
    doc: "Host under which clients reach the local proxy of the Cumulocity HTTP API.",
    examples: ["127.0.0.1", "192.168.1.2", "tedge-hostname"]
  },
  {
    key: "c8y.proxy.client.port",
    type: port,
    fallback: ["c8y.proxy.bind.port"],
    exposed: true,
    doc: "Port under which clients reach the local proxy of the Cumulocity HTTP API.",
    examples: ["8001"]
  },
  {
    key: "c8y.proxy.cert_path",
    type: path,
    doc: "Server certificate of the local proxy of the Cumulocity HTTP API. Once it is set, clients use HTTPS.",
    examples: ["/etc/tedge/device-certs/c8y_proxy_certificate.pem"]
  },
  {
    key: "c8y.proxy.key_path",
    type: path,
    doc: "Private key to c8y.proxy.cert_path.",
    examples: ["/etc/tedge/device-certs/c8y_proxy_key.pem"]
  },
  {
    key: "c8y.proxy.ca_path",
    type: path,
    doc: "Authorities whose client certificates the local proxy of the Cumulocity HTTP API accepts.",
    examples: ["/etc/ssl/certs"]
  },
  {
    key: "c8y.bridge.topic_prefix",
    type: topicPrefix,
    default: "c8y",
    exposed: true,
    doc: "First level of the local topics that are bridged to Cumulocity. Each profile needs its own.",
    examples: ["c8y"]
  },
  {
    key: "c8y.bridge.keepalive_interval",
    type: keepAlive,
    default: "60s",
    doc: "After this long without a message the bridge asks Cumulocity for a sign of life.",
    examples: ["60s"]
  },
  {
    key: "c8y.bridge.include.local_cleansession",
    type: choice("true", "false", "auto"),
    default: "auto",
    doc: 'Whether the configuration of a mosquitto bridge gets the line local_cleansession. "auto" decides by the version of mosquitto.',
    examples: ["auto"]
  },
  {
    key: "c8y.software_management.api",
    type: choice("legacy", "advanced"),
    default: "legacy",
    doc: "Which of the two APIs reports the installed software to Cumulocity.",
    examples: ["advanced"]
  },
  {
    key: "c8y.software_management.with_types",
    type: boolean,
    default: "false",
    doc: "Tell Cumulocity the types of software the device can handle.",
    examples: ["true"]
  },
  {
    key: "c8y.operations.auto_log_upload",
    type: choice("never", "always", "on-failure"),
    default: "on-failure",
    doc: "When the log of an operation is uploaded without being asked for.",
    examples: ["always", "never", "on-failure"]
  },
  {
    key: "c8y.availability.enable",
    type: boolean,
    default: "true",
    doc: "Send heartbeats, by which Cumulocity knows whether the device is available.",
    examples: ["true"]
  },
  {
    key: "c8y.availability.interval",
    type: duration,
    default: "60m",
    doc: "Time between two heartbeats. Less than a minute means that the device is in maintenance.",
    examples: ["60m"]
  },
  {
    key: "c8y.mqtt_service.enabled",
    type: boolean,
    default: "false",
    exposed: true,
    doc: "Use the MQTT Service of Cumulocity (port 9883) instead of its core MQTT endpoint.",
    examples: ["true"]
  },
  {
    key: "c8y.mqtt_service.topics",
    type: set,
    default: "",
    exposed: true,
    doc: "Further topics to receive from the MQTT Service of Cumulocity.",
    examples: ["incoming/topic,another/topic,test/topic"]
  }
]
