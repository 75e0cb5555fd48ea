/** Device settings that each cloud can override. The texts on key_uri and key_pin are those of hsm-support, verbatim. */
import type { CloudName, Setting } from "./setting.ts"
import { deviceId, path, pkcs11Uri, text } from "./setting-types.ts"

export const keyUriDoc = "A PKCS#11 URI of the private key.  See RFC #7512."

export const keyPinDoc =
  "User PIN value for logging into the PKCS#11 token provided by the consumer.  This differs from cryptoki.pin in that cryptoki.pin is used by PKCS#11 provider, e.g. tedge-p11-server as a default PIN for all tokens, but device.key_pin is the PIN provided by the consumer (tedge) with a given `key_uri`.  In practice, this can be used to define separate keys and separate PINs for different connection profiles."

export const cloudDevice = (cloud: CloudName, uriExample: string): ReadonlyArray<Setting> => [
  {
    key: `${cloud}.device.id`,
    type: deviceId(cloud),
    fallback: ["device.id"],
    certificateName: `${cloud}.device.cert_path`,
    exposed: true,
    doc: `Identity of the device towards ${cloudTitles[cloud]}: the common name of the certificate at ${cloud}.device.cert_path, else the value set here, or for device.id.`,
    examples: ["Raspberrypi-4d18303a-6d3a-11eb-b1a6-175f6bb72665"]
  },
  {
    key: `${cloud}.device.key_path`,
    type: path,
    fallback: ["device.key_path"],
    doc: `File that holds the private key for ${cloudTitles[cloud]}.`,
    examples: ["/etc/tedge/device-certs/tedge-private-key.pem"]
  },
  {
    key: `${cloud}.device.cert_path`,
    type: path,
    fallback: ["device.cert_path"],
    doc: `File that holds the certificate for ${cloudTitles[cloud]}.`,
    examples: ["/etc/tedge/device-certs/tedge-certificate.pem"]
  },
  {
    key: `${cloud}.device.csr_path`,
    type: path,
    fallback: ["device.csr_path"],
    doc: `File to which a certificate signing request for ${cloudTitles[cloud]} is written.`,
    examples: ["/etc/tedge/device-certs/tedge.csr"]
  },
  {
    key: `${cloud}.device.key_uri`,
    type: pkcs11Uri,
    fallbackWhenUsed: "device.key_uri",
    doc: keyUriDoc,
    examples: [uriExample]
  },
  {
    key: `${cloud}.device.key_pin`,
    type: text,
    fallbackWhenUsed: "device.key_pin",
    secret: true,
    doc: keyPinDoc,
    examples: ["123456", "my-pin"]
  }
]

const cloudTitles = { c8y: "Cumulocity", az: "Azure IoT", aws: "AWS IoT" }
