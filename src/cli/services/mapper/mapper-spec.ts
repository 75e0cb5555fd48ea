/** Spec of `tedge-mapper`. Source: thin-edge, mapper process. */
import { cloudCommands, globalOptions, type OptionSpec, type Program } from "../../command-line/command-spec.ts"

const graphOption: OptionSpec = {
  name: "graph",
  summary: "Print the actors of the mapper and end.",
  details: [
    "Supervisors with their rules, actors with their mailboxes, and whom each sends to. To see those of a running mapper with their queues, send it SIGUSR1 and read its log."
  ]
}

export const mapperProgram: Program = {
  version: __VERSION__,
  globals: globalOptions,
  root: {
    name: "tedge-mapper",
    summary: "tedge-mapper bridges the local MQTT broker and a cloud",
    details: [
      "Runs until it is stopped. With the device's key in a token, the token signs when the connection to the cloud is opened."
    ],
    commands: cloudCommands.map((command) => ({ ...command, options: [...(command.options ?? []), graphOption] }))
  }
}

declare const __VERSION__: string
