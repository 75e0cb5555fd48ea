/** Specs of the `tedge cert` commands: words and texts only. */
import type { CommandSpec, OptionSpec } from "../../command-line/command-spec.ts"
import { createKeyHsmSpec } from "../hsm/hsm-spec.ts"

const deviceIdOption: OptionSpec = {
  name: "device-id",
  value: "ID",
  summary: "The device identifier: the common name (CN) of the certificate",
  details: ["Default: the device id of the settings."]
}

const certPathOption: OptionSpec = {
  name: "cert-path",
  value: "CERT_PATH",
  summary: "Path to the certificate; default: `device.cert_path`"
}

const profileOption: OptionSpec = {
  name: "profile",
  value: "PROFILE",
  summary: "The cloud profile to use",
  env: "TEDGE_CLOUD_PROFILE"
}

export const certSpec: CommandSpec = {
  name: "cert",
  summary: "Create and manage device certificate",
  commands: [
    {
      name: "create",
      summary: "Create a self-signed device certificate.",
      details: [
        "Signed with the key in the token if `device.cryptoki.mode` is set, else with a new key file. An existing certificate or key is never overwritten."
      ],
      options: [deviceIdOption],
      cloudWord: true,
      examples: [
        { says: "a certificate for the device 'my-device'", command: "tedge cert create --device-id my-device" }
      ]
    },
    {
      name: "create-csr",
      summary: "Create a certificate signing request (CSR).",
      details: ["Signed with the key in the token, or with the key file, which is created if it is missing."],
      options: [
        deviceIdOption,
        { name: "output-path", value: "OUTPUT_PATH", summary: "Path of the CSR; default: `device.csr_path`" }
      ],
      cloudWord: true,
      examples: [
        { says: "a CSR for another CA", command: "tedge cert create-csr --device-id my-device --output-path my.csr" }
      ]
    },
    createKeyHsmSpec,
    {
      name: "show",
      summary: "Show the device certificate",
      options: [certPathOption, { name: "new", summary: "Show the renewed certificate that is not in use yet" }],
      cloudWord: true
    },
    {
      name: "needs-renewal",
      summary: "Check whether the certificate should be renewed.",
      details: ["Exit code 0: yes. 1: no. 2: unknown."],
      options: [certPathOption],
      cloudWord: true
    },
    {
      name: "remove",
      summary: "Remove the device certificate.",
      details: ["Also removes the key file; a key in a token is kept."],
      cloudWord: true
    },
    {
      name: "renew",
      summary: "Renew the device certificate.",
      details: [
        "The new certificate is stored beside the current one as `<cert>.new`, and replaces it after a successful connection: `tedge reconnect`."
      ],
      options: [
        {
          name: "ca",
          value: "CA",
          summary: "The issuer of the new certificate",
          choices: ["self-signed", "c8y"],
          details: ["Default: self-signed if the current one is, else the cloud's CA."]
        },
        { name: "csr-path", value: "CSR_PATH", summary: "Use this CSR instead of creating one; implies --ca c8y" }
      ],
      cloudWord: true
    },
    {
      name: "upload",
      summary: "Upload the device certificate, so that the cloud trusts it",
      commands: [
        {
          name: "c8y",
          summary: "Upload the certificate to Cumulocity.",
          details: ["The user needs the permission to manage the tenant's trusted certificates."],
          options: [
            { name: "user", value: "USERNAME", summary: "The user name; prompted for if missing", env: "C8Y_USER" },
            {
              name: "password",
              value: "PASSWORD",
              summary: "The password; prompted for if missing",
              env: "C8Y_PASSWORD",
              secret: true
            },
            profileOption
          ],
          examples: [{ says: "as the user 'operator'", command: "tedge cert upload c8y --user operator" }]
        }
      ]
    },
    {
      name: "download",
      summary: "Request and download a device certificate",
      commands: [
        {
          name: "c8y",
          summary: "Enrol the device with the CA of Cumulocity.",
          details: [
            "Waits until the device is registered in the cloud with the same one-time password.",
            "An existing certificate is kept; the new one is then stored as `<cert>.new`."
          ],
          options: [
            { ...deviceIdOption, env: "DEVICE_ID" },
            {
              name: "one-time-password",
              short: "p",
              value: "ONE_TIME_PASSWORD",
              summary: "The password the device is registered with; generated and printed if missing",
              env: "DEVICE_ONE_TIME_PASSWORD",
              secret: true
            },
            { name: "csr-path", value: "CSR_PATH", summary: "Use this CSR instead of creating one; implies --ca c8y" },
            { name: "prompt", summary: "Prompt for the one-time password if it is not given" },
            {
              name: "no-registration-url",
              env: "DEVICE_NO_REGISTRATION_URL",
              summary: "Do not print the URL where the device is registered"
            },
            { name: "url", value: "URL", summary: "The host of the tenant; default: `c8y.url`" },
            { name: "retry-every", value: "RETRY_EVERY", summary: "Interval between attempts", defaultValue: "30s" },
            { name: "max-timeout", value: "MAX_TIMEOUT", summary: "Time limit for all attempts", defaultValue: "10m" },
            profileOption
          ],
          examples: [{ says: "with a generated password", command: "tedge cert download c8y --device-id my-device" }]
        }
      ]
    }
  ]
}
