/** Specs of the `tedge` commands and the global options: words and texts only (handlers: tedge-handlers.ts). */

import { globalOptions, type OptionSpec, type Program, profileOption } from "../command-line/command-spec.ts"
import { certSpec } from "./cert/cert-spec.ts"
import { configSpec } from "./config/config-spec.ts"
import { hsmSpec } from "./hsm/hsm-spec.ts"
import { mapperCommandsSpec } from "./mapper/mapper-spec.ts"
import { statusSpec } from "./status/status-spec.ts"

const cloudArgument = {
  name: "CLOUD",
  summary: "The cloud: c8y (Cumulocity), az (Azure IoT) or aws (AWS IoT)",
  choices: ["c8y", "az", "aws"]
} as const

const offlineOption: OptionSpec = {
  name: "offline",
  summary: "Ignore connection issues.",
  details: [
    "Sets up the connection without contacting the cloud: the device is not created there and nothing is checked."
  ]
}

export const tedgeProgram: Program = {
  version: __VERSION__,
  globals: globalOptions,
  root: {
    name: "tedge",
    summary: "tedge is the cli tool for thin-edge.io",
    commands: [
      configSpec,
      mapperCommandsSpec,
      certSpec,
      hsmSpec,
      {
        name: "connect",
        summary: "Connect to cloud provider.",
        details: [
          "Creates the device in the cloud, starts the local broker and the mapper, and checks that the cloud responds to messages. A failed step is rolled back."
        ],
        options: [
          {
            name: "test",
            summary: "Test an existing connection.",
            details: ["Queries the state of the bridge, and sends the cloud a request over it. Changes nothing."]
          },
          offlineOption,
          profileOption
        ],
        arguments: [cloudArgument],
        examples: [
          { says: "connect to Cumulocity", command: "tedge connect c8y" },
          { says: "check the connection", command: "tedge connect c8y --test" }
        ]
      },
      {
        name: "reconnect",
        summary: "Reconnect command, calls disconnect followed by connect.",
        details: ["The settings are validated first: with invalid settings the connection is not changed."],
        options: [offlineOption, profileOption],
        arguments: [cloudArgument],
        examples: [{ says: "apply changed settings", command: "tedge reconnect c8y" }]
      },
      {
        name: "disconnect",
        summary: "Remove bridge connection for a provider",
        options: [profileOption],
        arguments: [cloudArgument],
        examples: [{ says: "end the connection to Cumulocity", command: "tedge disconnect c8y" }]
      },
      statusSpec,
      {
        name: "start-services",
        summary: "Start the services of the connections, if no init system does.",
        details: [
          "For the entry point of a container: starts the services that `tedge connect` has enabled. Does nothing if the system's service manager starts them."
        ],
        examples: [{ says: "after the system has started", command: "tedge start-services" }]
      },
      {
        name: "completions",
        summary: "Generate shell completion scripts",
        arguments: [{ name: "SHELL", summary: "The shell the script is for", choices: ["bash", "zsh", "fish"] }],
        examples: [
          { says: "for the running bash", command: "source <(tedge completions bash)" },
          { says: "for zsh, after compinit in ~/.zshrc", command: "source <(tedge completions zsh)" },
          { says: "for fish, permanently", command: "tedge completions fish > ~/.config/fish/completions/tedge.fish" }
        ]
      }
    ]
  }
}
