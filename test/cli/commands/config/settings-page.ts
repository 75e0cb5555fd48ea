/** The text of docs/settings.md, made from the settings table. */
import type { Setting, SettingType } from "../../../../src/messages/settings/setting.ts"
import { settingsTable } from "../../../../src/messages/settings/settings-table.ts"
import { isThinEdgeOnly } from "./thin-edge-only.ts"

export const settingsPage = (): string =>
  `${introduction}\n${sections()
    .map(([title, settings]) => `\n## ${title}\n\n${settings.map(entry).join("\n")}`)
    .join("")}`

const sections = (): ReadonlyArray<readonly [title: string, settings: ReadonlyArray<Setting>]> => {
  const names = [...new Set(settingsTable.map(({ key }) => sectionOf(key)))]
  return names.map((name) => [name, settingsTable.filter(({ key }) => sectionOf(key) === name)])
}

const sectionOf = (key: string): string => key.split(".")[0] ?? ""

const entry = (setting: Setting): string => {
  const { key, doc, note, examples = [], deprecated = [] } = setting
  const facts = [
    `Type: ${typeText(setting.type)}`,
    ...defaultText(setting),
    ...(setting.secret ? ["Secret: masked in `tedge config list`"] : []),
    ...(examples.length > 0
      ? [`${examples.length === 1 ? "Example" : "Examples"}: ${examples.map(code).join(", ")}`]
      : []),
    ...(deprecated.length > 0 ? [`Older names: ${deprecated.map(code).join(", ")}`] : []),
    ...(note === undefined ? [] : [note]),
    ...(isThinEdgeOnly(key) ? ["Without effect here: kept for thin-edge's own mapper and agent"] : [])
  ]
  return [`### ${code(key)}`, "", doc.trim(), "", ...facts.map((fact) => `- ${fact}`), ""].join("\n")
}

const defaultText = (setting: Setting): ReadonlyArray<string> => {
  const { fallback = [], fallbackWhenUsed, fallbackVariable, certificateName } = setting
  const given = typeof setting.default === "object" ? `{config-dir}/${setting.default.inConfigDir}` : setting.default
  return [
    ...(certificateName === undefined ? [] : [`Read from: the certificate at ${code(certificateName)}`]),
    ...(given === undefined ? [] : [`Default: ${given === "" ? "empty" : code(given)}`]),
    ...(fallback.length === 0 ? [] : [`Follows: ${fallback.map(code).join(", then ")}`]),
    ...(fallbackWhenUsed === undefined ? [] : [`Where it is not set, ${code(fallbackWhenUsed)} is used`]),
    ...(fallbackVariable === undefined ? [] : [`Follows: the environment variable ${code(fallbackVariable)}`])
  ]
}

const typeText = (type: SettingType): string => {
  switch (type.kind) {
    case "choice":
      return [...type.choices, ...Object.keys(type.synonyms ?? {})].map(code).join(", ")
    case "integer":
      return `whole number from ${type.min} to ${type.max}`
    case "host-port":
      return `host, or host:port; port ${type.defaultPort} if none is given`
    default:
      return typeTexts[type.kind]
  }
}

const typeTexts = {
  text: "text",
  path: "absolute path",
  boolean: "`true`, `false`",
  host: "host name or IP address, without scheme and port",
  ip: "IP address",
  "file-mode": "permissions in octal",
  duration: "duration such as `60s`, `10m`, `1h 30m`, `365d`; a bare number is seconds",
  "keep-alive": "duration from `1s` to `65535s`, or `0` for none; a bare number is seconds",
  set: "list; on the command line between commas",
  limits: "list of `name:count`",
  "topic-prefix": "topic without `#` and `+`",
  "topic-id": "topic identifier of four levels",
  "proxy-url": "`[http://|https://]host[:port]`"
} as const

const code = (text: string): string => `\`${text}\``

const introduction = `# Settings

This page is made from the settings table by \`test/cli/commands/config/settings-page.test.ts\`; change the table, not the page.

A value comes from the first of these that has one:

1. an option of the command (\`--socket-path\` of tedge-p11-server),
2. the environment: \`TEDGE_\` and the key in capitals, dots as underscores (\`TEDGE_DEVICE_CRYPTOKI_MODE\`); empty counts as not set,
3. a file in the configuration directory: \`mappers/<cloud>/mapper.toml\`, of a profile \`mappers/<cloud>.<profile>/mapper.toml\`, for the
   settings of a cloud; \`tedge-p11-server.toml\` for \`p11_server.*\`; \`tedge.toml\` for all others. PINs and passwords: a credential of the
   service (\`tedge-pin\`), then \`secrets.toml\`, then these files,
4. the setting it follows, if it follows one,
5. the default.

Services that \`tedge\` itself starts, where no init system runs, have the variables of the command that started them, but none with a
PIN or a password: those belong in \`secrets.toml\`.

Identities (\`device.id\`) are different: the common name of the certificate comes before all of them.

The cloud sections (\`c8y\`, \`az\`, \`aws\`) may have profiles: \`c8y.profiles.prod.url\`, or \`--profile prod\`, or \`TEDGE_CLOUD_PROFILE=prod\`
for every command. A profile never takes a value from the section without profile; it follows \`device.*\`.

## Which file a setting is in

As in thin-edge 2, each section of a cloud has a \`mapper.toml\` of its own. It contains the settings without the name of the section
(\`url\`, \`[device] key_uri\`), with \`cloud_type\` as a mark, and its profiles are the directories. On a device that was configured with
thin-edge 1 the sections are tables of \`tedge.toml\` (\`[c8y]\`, \`[c8y.profiles.prod]\`). Which of the two counts is decided for each cloud:

| there is | the settings of the cloud are in |
|---|---|
| a \`mapper.toml\` of the cloud, of whatever profile | its \`mapper.toml\` files; a table of the cloud in \`tedge.toml\` is ignored, with a warning |
| none, and a table of any cloud in \`tedge.toml\` | \`tedge.toml\` |
| neither | \`mapper.toml\`: the first \`tedge config set\` makes it |

A file that cannot be read or parsed is an error that names it, with line and column, for what needs it: \`connect\` of that cloud and
profile, and its settings. The other clouds, \`tedge disconnect\` and all settings of no cloud still work, and \`tedge hsm doctor\` reports it.

A \`secrets.toml\` that cannot be read or parsed stops what needs a PIN or a password, as no other PIN is tried in its place: with a token or a
proxy \`connect\`, the services, and what signs or logs in (\`tedge cert create\`, \`renew\`, \`tedge hsm create-key\`, …); reading or setting a PIN; and
\`tedge config upgrade\`. Everything else still works, also for users who may not read the file: \`cert show\`, \`connect --test\`, \`status\`,
\`disconnect\`, \`tedge config\` of the rest; \`config list\` leaves PINs and passwords out, with a warning. \`tedge hsm doctor\` reports it and does not
use the token.

A value that cannot be used stops what needs it: \`config get\` of that setting or of one that follows it. \`config list\` leaves it out, with a
warning; \`connect\`, the services and commands that use a token read all settings of no cloud, and those of their own cloud and profile.

PINs and passwords are in \`secrets.toml\` (mode 0640, user and group of \`system.toml\`): thin-edge's own programs make every file they write
readable for all users again. \`tedge config set\` writes them there; where such a program is installed, it names the one that does not find the
value, and how to pass it. \`tedge config upgrade\` moves settings from older files: the tables of clouds, PINs and passwords, and
\`[p11_server]\`. It copies a file before something is removed from it (\`tedge.toml.bak\`, mode of the original), leaves a \`mapper.toml\` that
is there as it is, changes all files or none, and resumes after a crash. An existing copy is never overwritten: the next is
\`tedge.toml.bak.1\`. \`tedge hsm doctor\` names copies that contain a PIN or a password.

A PIN in a URI (\`pin-value\` in \`device.key_uri\`, in that of a cloud, or in \`device.cryptoki.uri\`) is a secret too. \`tedge config set\` of such a
URI writes the URI without it, stores the PIN as \`device.key_pin\`, that of the cloud, or \`device.cryptoki.pin\`, and says so; \`tedge config
upgrade\` does the same with one in a file. Both leave a PIN where it is if it would then also be tried for another cloud's key.

In names typed on the command line dots and underscores are the same. Older names work, with a warning.
A relative path begins at the working directory of the command, in a file at the configuration directory.

\`tedge config set\` changes the line of the setting and leaves the rest of the file as it is, comments too. The file is replaced as a
whole, under a lock for all of them (\`tedge.toml.lock\`). A \`mapper.toml\` in which nothing is left is removed.
A file gets mode 0644, or 0640 while a PIN or a password is in it, and belongs to user and group of \`system.toml\`. A \`tedge.toml\` of version 1 is understood; its names are changed when it is written, never by reading.`
