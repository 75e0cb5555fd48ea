/** Spec of `tedge-mapper`. Source: thin-edge, mapper process. */
import { cloudCommands, globalOptions, type Program } from "../../command-line/command-spec.ts"

export const mapperProgram: Program = {
  version: __VERSION__,
  globals: globalOptions,
  root: {
    name: "tedge-mapper",
    summary: "tedge-mapper bridges the local MQTT broker and a cloud",
    details: [
      "Runs until stopped. With the device's key in a token, the token signs for each new connection to the cloud."
    ],
    commands: cloudCommands.map((command) => ({
      ...command,
      options: [
        ...(command.options ?? []),
        {
          name: "graph",
          summary: "Print the actors of the mapper and exit.",
          details: [
            "Supervisors with their strategies, actors with their mailboxes, and the actors each sends to. For the actors of a running mapper and their queues, send it SIGUSR1 and read its log."
          ]
        }
      ]
    }))
  }
}
