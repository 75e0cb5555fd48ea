/** The words of `tedge-mapper`. Source: thin-edge, mapper process. */
import { cloudCommands, type Program } from "../command-spec.ts"
import { globalOptions } from "../tedge-spec.ts"

export const mapperProgram: Program = {
  version: __VERSION__,
  globals: globalOptions,
  root: {
    name: "tedge-mapper",
    summary: "tedge-mapper bridges the local MQTT broker and a cloud",
    details: [
      "Runs until it is stopped. With the device's key in a token, the token signs when the connection to the cloud is opened."
    ],
    commands: cloudCommands
  }
}

declare const __VERSION__: string
