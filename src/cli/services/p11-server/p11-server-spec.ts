/** The options of `tedge-p11-server`: first those of its documentation, verbatim, then ours. */
import { nameIn, optionOf, p11ServerOptions, variableOf } from "../../../messages/settings/p11-server-settings.ts"
import type { Setting } from "../../../messages/settings/setting.ts"
import { configDirOption, logLevelOption, type OptionSpec, type Program } from "../../command-line/command-spec.ts"

/** The default is printed, not set: the files come between the variable and it. */
const ourOptions = p11ServerOptions.map((setting): OptionSpec => {
  const { key, doc, default: fallback }: Setting & typeof setting = setting
  const inFile = `In tedge-p11-server.toml: ${nameIn(key)}${fallback === undefined ? "" : `. Default: ${String(fallback)}`}`
  return {
    name: optionOf(key),
    value: setting.word,
    summary: doc.replace(/\.$/, ""),
    details: [inFile],
    env: variableOf(key)
  }
})

export const p11ServerProgram: Program = {
  version: __VERSION__,
  globals: [],
  root: {
    name: "tedge-p11-server",
    summary: "thin-edge.io service for passing PKCS#11 cryptographic tokens",
    options: [
      {
        name: "socket-path",
        value: "SOCKET_PATH",
        summary: "A path where the UNIX socket listener will be created",
        env: "TEDGE_DEVICE_CRYPTOKI_SOCKET_PATH"
      },
      {
        name: "module-path",
        value: "MODULE_PATH",
        summary: "The path to the PKCS#11 module",
        env: "TEDGE_DEVICE_CRYPTOKI_MODULE_PATH"
      },
      {
        name: "pin",
        value: "PIN",
        summary: "The PIN for the PKCS#11 token",
        env: "TEDGE_DEVICE_CRYPTOKI_PIN",
        secret: true
      },
      {
        name: "uri",
        value: "URI",
        summary: "A URI of the token/object to use.",
        details: ["See RFC #7512."],
        env: "TEDGE_DEVICE_CRYPTOKI_URI"
      },
      logLevelOption,
      configDirOption,
      ...ourOptions
    ]
  }
}
