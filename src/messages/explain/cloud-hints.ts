/** Hints for one cloud: each has its own tools, terms and reasons to refuse a device. */
import type { ConnectionLost, TargetCloud } from "../mqtt.ts"

type Cloud = TargetCloud | undefined

/** As on the command line: `aws --profile plant`. */
export const cloudWords = ({ name, profile }: TargetCloud): string =>
  profile === undefined ? name : `${name} --profile ${profile}`

/** Undefined: a broker that is not a cloud. */
export const trustHint = (cloud: Cloud): string => {
  switch (cloud?.name) {
    case "c8y":
      return `make the cloud trust it: tedge cert upload ${cloudWords(cloud)}`
    case "az":
      return "make the IoT hub trust it: register the device there with the certificate's thumbprint, or upload and verify its CA"
    case "aws":
      return "make AWS IoT trust it: register the certificate (or its CA), activate it and attach a policy"
    case undefined:
      return "make the broker trust the authority that issued it"
  }
}

/** The connection ended before CONNACK, after TLS. */
export const closedHint = ({ cloud }: ConnectionLost): string => {
  switch (cloud?.name) {
    case "aws":
      return "AWS IoT closes the connection when the certificate is not registered and active, or its policy does not allow iot:Connect with this client id; check also that aws.url is the account's data endpoint (-ats)"
    case "az":
      return "the IoT hub closes the connection of a device that is not registered or is disabled, and when its quota is used up; check also az.url"
    default:
      return "see its log; check that the port is one for MQTT, and that this device is not blocked there"
  }
}

/** Return codes of CONNACK whose meaning in this cloud differs from a broker with user names. */
export const connackHintOf = (cloud: Cloud, code: number): string | undefined => {
  if (code !== 4 && code !== 5) return undefined
  switch (cloud?.name) {
    case "az":
      return "check in the IoT hub that this device is registered and enabled, and that its authentication type and thumbprint are those of the certificate"
    case "aws":
      return "check in AWS IoT that the certificate is active, and that its policy allows iot:Connect with this client id"
    default:
      return undefined
  }
}

export const renewHint = (cloud: Cloud): string => {
  switch (cloud?.name) {
    case "az":
    case "aws":
      return `renew it: tedge cert renew ${cloudWords(cloud)} (self-signed), or with your own CA: tedge cert create-csr ${cloudWords(cloud)}`
    case "c8y":
      return `renew it: tedge cert renew${cloud.profile === undefined ? "" : ` ${cloudWords(cloud)}`}`
    case undefined:
      return "renew it: tedge cert renew"
  }
}
