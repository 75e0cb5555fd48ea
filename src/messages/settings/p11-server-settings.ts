/**
 * The settings of tedge-p11-server itself: in tedge-p11-server.toml, each with an option and a variable.
 *
 * `p11_server.pin_file` is `--pin-file` and TEDGE_P11_SERVER_PIN_FILE. The log level has the documented option.
 * Rules (`[[rules]]`) are tables, only in the file.
 */
import type { Setting } from "./setting.ts"
import { choice, duration, fileMode, path, text } from "./setting-types.ts"

interface P11ServerSetting extends Setting {
  /** Placeholder of the value in help. */
  readonly word: string
}

const clients = { kind: "integer", min: 1, max: 10_000 } as const

/** Those that are options, too. */
export const p11ServerOptions = [
  {
    key: "p11_server.pin_file",
    word: "FILE",
    type: path,
    doc: "A file that contains the PIN for the PKCS#11 token.",
    note: "One line; its line end is ignored.",
    examples: ["/etc/tedge/p11-pin"]
  },
  {
    key: "p11_server.socket_mode",
    word: "MODE",
    type: fileMode,
    default: "660",
    doc: "The permissions of the socket, in octal.",
    examples: ["660", "600"]
  },
  {
    key: "p11_server.socket_group",
    word: "GROUP",
    type: text,
    doc: "The group of the socket, by name or number.",
    examples: ["root", "998"]
  },
  {
    key: "p11_server.max_connections",
    word: "N",
    type: clients,
    default: "512",
    doc: "Maximum number of concurrent clients.",
    examples: ["512"]
  },
  {
    key: "p11_server.max_user_connections",
    word: "N",
    type: clients,
    default: "128",
    doc: "Maximum number of concurrent clients of one user.",
    note: "Does not apply to root and the service's own user; an eighth of p11_server.max_connections is reserved for them.",
    examples: ["128"]
  },
  {
    key: "p11_server.request_timeout",
    word: "TIME",
    type: duration,
    default: "5s",
    doc: "Time limit for a client to send its request.",
    examples: ["5s"]
  },
  {
    key: "p11_server.answer_timeout",
    word: "TIME",
    type: duration,
    default: "5s",
    doc: "Time limit for a client to read its response.",
    examples: ["5s"]
  },
  {
    key: "p11_server.metrics_file",
    word: "FILE",
    type: path,
    doc: "A file for node_exporter's textfile collector.",
    examples: ["/var/lib/node_exporter/textfile_collector/tedge_p11_server.prom"]
  }
] as const satisfies ReadonlyArray<P11ServerSetting>

const logLevel = {
  key: "p11_server.log_level",
  type: choice("error", "warn", "info", "debug", "trace"),
  default: "info",
  doc: "Log level of tedge-p11-server.",
  note: "--log-level and RUST_LOG take precedence over it.",
  examples: ["info", "debug"]
} as const satisfies Setting

const tokenUser = {
  key: "p11_server.token_user",
  type: choice("service", "root"),
  default: "service",
  doc: "User that loads the PKCS#11 module if the service runs as root: the user of system.toml, or root.",
  note: "Use root for a token store or a device that only root can open and whose owner cannot be changed: the module's code then runs as root.",
  examples: ["service", "root"]
} as const satisfies Setting

export const p11ServerSettings = [...p11ServerOptions, logLevel, tokenUser] as const

export type P11ServerOption = (typeof p11ServerOptions)[number]["key"]
export type P11ServerKey = (typeof p11ServerSettings)[number]["key"]

/** The rules: tables in the file, not a setting with one value. */
export const p11ServerRules = "p11_server.rules"

/** `--pin-file`, without the dashes. */
export const optionOf = (key: P11ServerOption): string => nameIn(key).replaceAll("_", "-")

/** `TEDGE_P11_SERVER_PIN_FILE`. */
export const variableOf = (key: P11ServerKey): string => `TEDGE_${key.replace(".", "_").toUpperCase()}`

/** `pin_file`: the key inside its table. */
export const nameIn = (key: P11ServerKey): string => key.slice("p11_server.".length)
