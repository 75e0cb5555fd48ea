/** Settings of local listeners and clients: the local broker, the bridge, the file transfer service. */
import type { Setting } from "./setting.ts"
import { boolean, duration, ip, path, port, portNotZero, text, textInTopic, topicId } from "./setting-types.ts"

export const localSettings: ReadonlyArray<Setting> = [
  {
    key: "mqtt.topic_root",
    type: textInTopic,
    default: "te",
    doc: "First level of all local topics.",
    examples: ["te"]
  },
  {
    key: "mqtt.device_topic_id",
    type: topicId,
    default: "device/main//",
    doc: "Topic identifier of the main device.",
    examples: ["device/main//", "device/child_001//"]
  },
  {
    key: "mqtt.bind.enabled",
    type: boolean,
    default: "true",
    doc: "Write the listeners of the local broker to tedge-mosquitto.conf.",
    examples: ["true"]
  },
  {
    key: "mqtt.bind.address",
    type: ip,
    default: "127.0.0.1",
    doc: "Address on which the local broker listens.",
    examples: ["127.0.0.1"]
  },
  {
    key: "mqtt.bind.port",
    type: portNotZero,
    default: "1883",
    deprecated: ["mqtt.port"],
    doc: "Port on which the local broker listens.",
    examples: ["1883"]
  },
  {
    key: "mqtt.client.host",
    type: text,
    default: "127.0.0.1",
    doc: "Host under which clients reach the local broker. It does not follow mqtt.bind.address.",
    examples: ["127.0.0.1"]
  },
  {
    key: "mqtt.client.port",
    type: portNotZero,
    fallback: ["mqtt.bind.port"],
    doc: "Port under which clients reach the local broker.",
    examples: ["1883"]
  },
  {
    key: "mqtt.client.auth.ca_file",
    type: path,
    deprecated: ["mqtt.client.auth.cafile"],
    doc: "File with the authorities that may vouch for the local broker.",
    examples: ["/etc/mosquitto/ca_certificates/ca.crt"]
  },
  {
    key: "mqtt.client.auth.ca_dir",
    type: path,
    deprecated: ["mqtt.client.auth.cadir"],
    doc: "Directory with the authorities that may vouch for the local broker.",
    examples: ["/etc/mosquitto/ca_certificates"]
  },
  {
    key: "mqtt.client.auth.cert_file",
    type: path,
    deprecated: ["mqtt.client.auth.certfile"],
    doc: "Certificate that clients show to the local broker. Needs mqtt.client.auth.key_file.",
    examples: ["/etc/mosquitto/auth_certificates/cert.pem"]
  },
  {
    key: "mqtt.client.auth.key_file",
    type: path,
    deprecated: ["mqtt.client.auth.keyfile"],
    doc: "Private key to mqtt.client.auth.cert_file.",
    examples: ["/etc/mosquitto/auth_certificates/key.pem"]
  },
  {
    key: "mqtt.client.auth.username",
    type: text,
    doc: "User name that clients give to the local broker.",
    examples: ["myuser"]
  },
  {
    key: "mqtt.client.auth.password_file",
    type: path,
    doc: "File that holds the password to mqtt.client.auth.username.",
    examples: ["/etc/tedge/.client_password"]
  },
  {
    key: "mqtt.external.bind.port",
    type: port,
    deprecated: ["mqtt.external.port"],
    doc: "Port on which the local broker listens for other hosts. Unless it is set there is no such listener.",
    examples: ["8883"]
  },
  {
    key: "mqtt.external.bind.address",
    type: ip,
    doc: "Address on which the local broker listens for other hosts.",
    examples: ["0.0.0.0"]
  },
  {
    key: "mqtt.external.bind.interface",
    type: text,
    doc: "Network interface on which the local broker listens for other hosts.",
    examples: ["wlan0"]
  },
  {
    key: "mqtt.external.ca_path",
    type: path,
    deprecated: ["mqtt.external.capath"],
    doc: "Authorities whose client certificates the external listener accepts. Once it is set, clients need one.",
    examples: ["/etc/ssl/certs"]
  },
  {
    key: "mqtt.external.cert_file",
    type: path,
    deprecated: ["mqtt.external.certfile"],
    doc: "Server certificate of the external listener.",
    examples: ["/etc/tedge/device-certs/tedge-certificate.pem"]
  },
  {
    key: "mqtt.external.key_file",
    type: path,
    deprecated: ["mqtt.external.keyfile"],
    doc: "Private key to mqtt.external.cert_file.",
    examples: ["/etc/tedge/device-certs/tedge-private-key.pem"]
  },
  {
    key: "mqtt.bridge.built_in",
    type: boolean,
    default: "true",
    doc: "Let the mapper bridge to the cloud, instead of mosquitto. Keys in a token need it. Takes effect with the next reconnect.",
    examples: ["false"]
  },
  {
    key: "mqtt.bridge.reconnect_policy.initial_interval",
    type: duration,
    default: "5s",
    doc: "How long the bridge waits before it connects again for the first time.",
    examples: ["30s"]
  },
  {
    key: "mqtt.bridge.reconnect_policy.maximum_interval",
    type: duration,
    default: "10m",
    doc: "Longest time the bridge waits before it connects again.",
    examples: ["10m"]
  },
  {
    key: "mqtt.bridge.reconnect_policy.reset_window",
    type: duration,
    default: "5m",
    doc: "Once a connection has lasted this long, waiting starts over at the initial interval.",
    examples: ["5m"]
  },
  {
    key: "http.bind.port",
    type: port,
    default: "8000",
    deprecated: ["http.port"],
    doc: "Port on which the file transfer service listens.",
    examples: ["8000"]
  },
  {
    key: "http.bind.address",
    type: ip,
    fallback: ["mqtt.external.bind.address", "mqtt.bind.address"],
    deprecated: ["http.address"],
    doc: "Address on which the file transfer service listens.",
    examples: ["127.0.0.1", "192.168.1.2", "0.0.0.0"]
  },
  {
    key: "http.client.port",
    type: port,
    default: "8000",
    doc: "Port under which clients reach the file transfer service. It does not follow http.bind.port.",
    examples: ["8000"]
  },
  {
    key: "http.client.host",
    type: text,
    default: "127.0.0.1",
    doc: "Host under which clients reach the file transfer service.",
    examples: ["127.0.0.1", "192.168.1.2", "tedge-hostname"]
  },
  {
    key: "http.client.auth.cert_file",
    type: path,
    doc: "Certificate that clients show to the HTTPS services of the device. Needs http.client.auth.key_file."
  },
  { key: "http.client.auth.key_file", type: path, doc: "Private key to http.client.auth.cert_file." },
  {
    key: "http.cert_path",
    type: path,
    doc: "Server certificate of the file transfer service.",
    examples: ["/etc/tedge/device-certs/file_transfer_certificate.pem"]
  },
  {
    key: "http.key_path",
    type: path,
    doc: "Private key to http.cert_path.",
    examples: ["/etc/tedge/device-certs/file_transfer_key.pem"]
  },
  {
    key: "http.ca_path",
    type: path,
    doc: "Authorities whose client certificates the file transfer service accepts.",
    examples: ["/etc/ssl/certs"]
  }
]
