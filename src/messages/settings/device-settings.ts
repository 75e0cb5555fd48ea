/** Settings of the device itself, its key and its certificate. The texts on keys and tokens are those of hsm-support, verbatim. */
import { keyPinDoc, keyUriDoc } from "./cloud-device.ts"
import type { Setting } from "./setting.ts"
import { deviceId, duration, path, pkcs11Uri, text } from "./setting-types.ts"

export const deviceSettings: ReadonlyArray<Setting> = [
  {
    key: "device.id",
    type: deviceId("any"),
    certificateName: "device.cert_path",
    doc: "Identity of this device. It is the common name of the certificate at device.cert_path; the value set here counts only while there is no such certificate.",
    examples: ["Raspberrypi-4d18303a-6d3a-11eb-b1a6-175f6bb72665"]
  },
  {
    key: "device.key_path",
    type: path,
    default: { inConfigDir: "device-certs/tedge-private-key.pem" },
    doc: 'File that holds the private key of the device. Not used while device.cryptoki.mode is "module" or "socket".',
    examples: ["/etc/tedge/device-certs/tedge-private-key.pem"]
  },
  {
    key: "device.cert_path",
    type: path,
    default: { inConfigDir: "device-certs/tedge-certificate.pem" },
    doc: "File that holds the certificate of the device, in PEM, its issuers after it.",
    examples: ["/etc/tedge/device-certs/tedge-certificate.pem"]
  },
  {
    key: "device.csr_path",
    type: path,
    default: { inConfigDir: "device-certs/tedge.csr" },
    doc: "File to which a certificate signing request is written.",
    examples: ["/etc/tedge/device-certs/tedge.csr"]
  },
  { key: "device.key_uri", type: pkcs11Uri, doc: keyUriDoc, examples: ["pkcs11:token=my-pkcs11-token;object=my-key"] },
  { key: "device.key_pin", type: text, secret: true, doc: keyPinDoc, examples: ["123456", "my-pin"] },
  {
    key: "device.type",
    type: text,
    default: "thin-edge.io",
    doc: "What kind of device this is, as sent to the cloud when the device is created.",
    examples: ["thin-edge.io"]
  },
  {
    key: "device.cryptoki.mode",
    type: { kind: "choice", choices: ["off", "module", "socket"] },
    default: "off",
    deprecated: ["device.cryptoki.enable"],
    deprecatedWords: { true: "module", false: "off" },
    doc: 'Whether to use a Hardware Security Module for authenticating the MQTT connection with the cloud.  "off" to not use the HSM, "module" to use the provided cryptoki dynamic module, "socket" to access the HSM via tedge-p11-server signing service. ',
    examples: ["off", "module", "socket"]
  },
  {
    key: "device.cryptoki.module_path",
    type: path,
    doc: "A path to the PKCS#11 module used for interaction with the HSM.  Needs to be set when `device.cryptoki.mode` is set to `module`. ",
    examples: ["/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so"]
  },
  {
    key: "device.cryptoki.pin",
    type: text,
    secret: true,
    doc: "A default User PIN value for logging into the PKCS11 token.  May be overridden on a per-key basis using device.key_pin config setting. ",
    examples: ["123456"]
  },
  {
    key: "device.cryptoki.uri",
    type: pkcs11Uri,
    doc: "A URI of the token/object to be used by tedge-p11-server.  If set, tedge-p11-server will by default use this URI to select a key for signing if a client does not provide its URI in the request. If the client provides the URI, then the attributes of this server URI will be used as a base onto which client-provided URI attributes will be appended, potentially limiting the scope of keys or tokens that can be used by the clients.  For example, if `cryptoki.uri=pkcs11:token=token1` and `device.key_uri=pkcs11:token2;object=key1`, `tedge-p11-server` will use URI `pkcs11:token1;object=key1`.  For more information about PKCS11 URIs, see RFC7512. ",
    examples: ["pkcs11:token=my-pkcs11-token;object=my-key"]
  },
  {
    key: "device.cryptoki.socket_path",
    type: path,
    default: "/run/tedge-p11-server/tedge-p11-server.sock",
    doc: "A path to the tedge-p11-server socket.  Needs to be set when `device.cryptoki.mode` is set to `socket`. ",
    examples: ["/run/tedge-p11-server/tedge-p11-server.sock"]
  },
  {
    key: "certificate.validity.requested_duration",
    type: duration,
    default: "365d",
    doc: "How long a new certificate shall be valid. An authority may grant less.",
    examples: ["365d"]
  },
  {
    key: "certificate.validity.minimum_duration",
    type: duration,
    default: "30d",
    doc: "A certificate that is valid for less than this is due for renewal.",
    examples: ["30d"]
  },
  {
    key: "certificate.organization",
    type: text,
    default: "Thin Edge",
    doc: "Organization (O) in the subject of certificate signing requests and self-signed certificates.",
    examples: ["ACME"]
  },
  {
    key: "certificate.organization_unit",
    type: text,
    default: "Device",
    doc: "Organizational unit (OU) in the subject of certificate signing requests and self-signed certificates.",
    examples: ["IoT"]
  }
]
