/**
 * The settings of tedge-p11-server alone: `[p11_server]` in tedge.toml, an option and a variable each.
 *
 * `p11_server.pin_file` is `--pin-file` and TEDGE_P11_SERVER_PIN_FILE. Rules (`[[p11_server.rules]]`) and the log level,
 * which has a documented option, stand only in the file.
 */
import type { Setting } from "./setting.ts"

interface P11ServerSetting extends Setting {
  /** What stands for the value in help. */
  readonly word: string
}

export const p11ServerSettings = [
  {
    key: "p11_server.pin_file",
    word: "FILE",
    type: { kind: "path" },
    doc: "A file that holds the PIN for the PKCS#11 token"
  },
  {
    key: "p11_server.socket_mode",
    word: "MODE",
    type: { kind: "text" },
    default: "660",
    doc: "The permissions of the socket, in octal"
  },
  {
    key: "p11_server.socket_group",
    word: "GROUP",
    type: { kind: "text" },
    doc: "The group of the socket, by name or number"
  },
  {
    key: "p11_server.max_connections",
    word: "N",
    type: { kind: "integer", min: 1, max: 10_000 },
    default: "512",
    doc: "How many clients are served at once"
  },
  {
    key: "p11_server.max_user_connections",
    word: "N",
    type: { kind: "integer", min: 1, max: 10_000 },
    default: "256",
    doc: "How many clients of one user are served at once"
  },
  {
    key: "p11_server.request_timeout",
    word: "TIME",
    type: { kind: "duration" },
    default: "5s",
    doc: "How long a client may take to send its request"
  },
  {
    key: "p11_server.answer_timeout",
    word: "TIME",
    type: { kind: "duration" },
    default: "5s",
    doc: "How long a client may take to read its answer"
  },
  {
    key: "p11_server.metrics_file",
    word: "FILE",
    type: { kind: "path" },
    doc: "A file for node_exporter's textfile collector"
  }
] as const satisfies ReadonlyArray<P11ServerSetting>

export type P11ServerKey = (typeof p11ServerSettings)[number]["key"]

/** Of `[p11_server]`, but neither options nor variables. */
export const p11ServerFileKeys = ["log_level", "rules"] as const

/** `--pin-file`, without the dashes. */
export const optionOf = (key: P11ServerKey): string => nameIn(key).replaceAll("_", "-")

/** `TEDGE_P11_SERVER_PIN_FILE`. */
export const variableOf = (key: P11ServerKey): string => `TEDGE_${key.replace(".", "_").toUpperCase()}`

/** `pin_file`: the key inside its table. */
export const nameIn = (key: P11ServerKey): string => key.slice("p11_server.".length)
