/** Specs of the `tedge cert` commands: words and texts only. */
import type { CommandSpec, OptionSpec } from "../../command-line/command-spec.ts"
import { createKeyHsmSpec } from "../hsm/hsm-spec.ts"

const deviceIdOption: OptionSpec = {
  name: "device-id",
  value: "ID",
  summary: "The device identifier: the common name (CN) of the certificate",
  details: ["Without it: the identifier the settings have."]
}

const certPathOption: OptionSpec = {
  name: "cert-path",
  value: "CERT_PATH",
  summary: "Path to the certificate, if not that of the settings"
}

const profileOption: OptionSpec = {
  name: "profile",
  value: "PROFILE",
  summary: "The cloud profile to use",
  env: "TEDGE_CLOUD_PROFILE"
}

const createSpec: CommandSpec = {
  name: "create",
  summary: "Create a self-signed device certificate.",
  details: [
    "With the key in the token when `device.cryptoki.mode` is set, else with a new key file. An existing certificate or key is never overwritten."
  ],
  options: [deviceIdOption],
  cloudWord: true,
  examples: [{ says: "a certificate for the device 'my-device'", command: "tedge cert create --device-id my-device" }]
}

const createCsrSpec: CommandSpec = {
  name: "create-csr",
  summary: "Create a certificate signing request (CSR).",
  details: ["Signed with the key in the token, or with the key file, which is created if it is missing."],
  options: [
    deviceIdOption,
    { name: "output-path", value: "OUTPUT_PATH", summary: "Where to write the CSR, if not to `device.csr_path`" }
  ],
  cloudWord: true,
  examples: [
    { says: "a CSR for another CA", command: "tedge cert create-csr --device-id my-device --output-path my.csr" }
  ]
}

const showSpec: CommandSpec = {
  name: "show",
  summary: "Show the device certificate",
  options: [certPathOption, { name: "new", summary: "Show the renewed certificate that waits to be used" }],
  cloudWord: true
}

const needsRenewalSpec: CommandSpec = {
  name: "needs-renewal",
  summary: "Check whether the certificate should be renewed.",
  details: ["Exit code 0: yes. 1: no. 2: unknown, whatever the reason."],
  options: [certPathOption],
  cloudWord: true
}

const removeSpec: CommandSpec = {
  name: "remove",
  summary: "Remove the device certificate.",
  details: ["A key file goes with it; a key in a token stays there."],
  cloudWord: true
}

const renewSpec: CommandSpec = {
  name: "renew",
  summary: "Renew the device certificate.",
  details: [
    "The new certificate is written beside the present one, as `<cert>.new`, and used when a connection with it has succeeded: `tedge reconnect`."
  ],
  options: [
    {
      name: "ca",
      value: "CA",
      summary: "Who signs it",
      choices: ["self-signed", "c8y"],
      details: ["Without it: the device itself if it signed the present one, else the cloud's CA."]
    },
    { name: "csr-path", value: "CSR_PATH", summary: "Use this CSR instead of making one; implies --ca c8y" }
  ],
  cloudWord: true
}

const uploadSpec: CommandSpec = {
  name: "upload",
  summary: "Upload the device certificate, for the cloud to trust it",
  commands: [
    {
      name: "c8y",
      summary: "Upload the certificate to Cumulocity.",
      details: ["The user must be allowed to manage trusted certificates of the tenant."],
      options: [
        { name: "user", value: "USERNAME", summary: "The user name. Asked for if missing", env: "C8Y_USER" },
        {
          name: "password",
          value: "PASSWORD",
          summary: "The password. Asked for if missing",
          env: "C8Y_PASSWORD",
          secret: true
        },
        profileOption
      ],
      examples: [{ says: "as the user 'operator'", command: "tedge cert upload c8y --user operator" }]
    }
  ]
}

const downloadSpec: CommandSpec = {
  name: "download",
  summary: "Request and download a device certificate",
  commands: [
    {
      name: "c8y",
      summary: "Enrol the device with the CA of Cumulocity.",
      details: [
        "Waits until the device is registered there with the same one-time password.",
        "A present certificate is kept; the new one then waits as `<cert>.new`."
      ],
      options: [
        { ...deviceIdOption, env: "DEVICE_ID" },
        {
          name: "one-time-password",
          short: "p",
          value: "ONE_TIME_PASSWORD",
          summary: "The password the device was registered with. Generated and shown if missing",
          env: "DEVICE_ONE_TIME_PASSWORD",
          secret: true
        },
        { name: "csr-path", value: "CSR_PATH", summary: "Use this CSR instead of making one; implies --ca c8y" },
        { name: "prompt", summary: "Ask for the one-time password, if it is not given" },
        {
          name: "no-registration-url",
          env: "DEVICE_NO_REGISTRATION_URL",
          summary: "Do not show the address at which the device is registered"
        },
        { name: "url", value: "URL", summary: "The host of the tenant, if not `c8y.url`" },
        { name: "retry-every", value: "RETRY_EVERY", summary: "Time between two tries", defaultValue: "30s" },
        { name: "max-timeout", value: "MAX_TIMEOUT", summary: "How long to try", defaultValue: "10m" },
        profileOption
      ],
      examples: [{ says: "with a password of our own", command: "tedge cert download c8y --device-id my-device" }]
    }
  ]
}

export const certSpec: CommandSpec = {
  name: "cert",
  summary: "Create and manage device certificate",
  commands: [
    createSpec,
    createCsrSpec,
    createKeyHsmSpec,
    showSpec,
    needsRenewalSpec,
    removeSpec,
    renewSpec,
    uploadSpec,
    downloadSpec
  ]
}
