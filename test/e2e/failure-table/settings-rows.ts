/** `tedge config`, its files and its arguments. */
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Row } from "./row.ts"
import type { Outcome, Settings, World } from "./world.ts"

const config =
  (words: ReadonlyArray<string>, settings: Settings = {}) =>
  ({ place }: World): Promise<Outcome> =>
    place(settings).tedge(["config", ...words])

/** With this in place of tedge.toml. */
const withFile =
  (content: string, words: ReadonlyArray<string>) =>
  ({ place }: World): Promise<Outcome> => {
    const { configDir, tedge } = place()
    writeFileSync(join(configDir, "tedge.toml"), content)
    return tedge(words)
  }

export const settingsRows: ReadonlyArray<Row> = [
  {
    tag: "UnknownSetting",
    failure: "unknown setting",
    how: "config get device.cryptoki.pim",
    cause: config(["get", "device.cryptoki.pim"]),
    says: "Unknown tedge config key: 'device.cryptoki.pim'",
    next: /pin/,
    code: 2
  },
  {
    tag: "MapperUnknown",
    failure: "mapper without a file",
    how: "mapper config get nope.url",
    cause: ({ place }) => place().tedge(["mapper", "config", "get", "nope.url"]),
    says: "no mapper for 'nope.url'",
    next: "tedge config set c8y.url"
  },
  {
    tag: "SettingNotSet",
    failure: "setting not set",
    how: "config get az.url",
    cause: config(["get", "az.url"]),
    says: "The provided config key: 'az.url' is not set"
  },
  {
    tag: "InvalidSetting",
    failure: "wrong value",
    how: "config set device.cryptoki.mode on",
    cause: config(["set", "device.cryptoki.mode", "on"]),
    says: "'on' is not a valid value of device.cryptoki.mode: Supported values are: off, module, socket",
    next: "tedge config list --doc device.cryptoki.mode"
  },
  {
    tag: "UnknownProfile",
    failure: "unknown profile",
    how: "connect c8y --profile prod",
    cause: ({ place }) => place().tedge(["connect", "c8y", "--profile", "prod"]),
    says: "Unknown profile 'prod' of c8y",
    next: "tedge config set c8y.profiles.prod.url <value>"
  },
  {
    tag: "ProfileNotUsable",
    failure: "a profile for a setting that has none",
    how: "config get device.type --profile prod",
    cause: config(["get", "device.type", "--profile", "prod"]),
    says: "You've supplied a profile, but device.type is not a profiled configuration",
    code: 2
  },
  {
    tag: "SettingsIncomplete",
    failure: "half of a pair",
    how: "proxy.username without proxy.password; connect",
    cause: ({ place }) =>
      place({ "proxy.address": "http://127.0.0.1:3128", "proxy.username": "me" }).tedge(["connect", "c8y"]),
    says: "must either all be configured, or all unset",
    next: "tedge config set proxy.password <value>"
  },
  {
    tag: "ConfigFileMalformed",
    failure: "tedge.toml with a mistake",
    how: "a line that is no TOML; connect",
    cause: withFile("c8y.url = \n", ["connect", "c8y"]),
    says: /tedge\.toml' is not TOML, line 1, column \d+/,
    next: "fix the line in an editor; nothing was changed"
  },
  {
    tag: "ConfigFileUnreadable",
    failure: "tedge.toml that is none",
    how: "a folder in its place; connect",
    cause: ({ place }) => {
      const { configDir, tedge } = place()
      rmSync(join(configDir, "tedge.toml"))
      mkdirSync(join(configDir, "tedge.toml"))
      return tedge(["connect", "c8y"])
    },
    says: /tedge\.toml' cannot be read: EISDIR/,
    next: /^check: ls -l /
  },
  {
    tag: "ConfigFileNotWritten",
    failure: "no permission",
    how: "config set in a folder of mode 555, without root's rights",
    cause: ({ place }) => {
      const { configDir, tedge } = place()
      chmodSync(configDir, 0o555)
      return tedge(["config", "set", "device.type", "x"], { ordinary: true })
    },
    says: /tedge\.toml' could not be written: Permission denied \(EACCES\); it is unchanged/,
    next: "run the command as root (sudo)"
  },
  {
    tag: "ConfigFileNotEditable",
    failure: "a line that cannot be changed",
    how: "a version 1 file whose old mqtt.port is a date; config set",
    cause: withFile("[mqtt]\nport = 1979-05-27\n", ["config", "set", "device.type", "x"]),
    says: "cannot be changed without touching other lines",
    next: "change it with an editor"
  },
  {
    tag: "ConfigVersionUnknown",
    failure: "tedge.toml of a newer form",
    how: 'config.version = "9"; connect',
    cause: withFile('[config]\nversion = "9"\n', ["connect", "c8y"]),
    says: "Unknown tedge.toml version: 9",
    next: "was written by a newer thin-edge"
  },
  {
    tag: "ConfigMigrationConflict",
    failure: "old and new name of a setting",
    how: "a version 1 file with mqtt.port and mqtt.bind.port",
    cause: withFile("[mqtt]\nport = 1883\nbind.port = 1884\n", ["connect", "c8y"]),
    says: "Cannot migrate 'mqtt.port' to 'mqtt.bind.port': target key already exists",
    next: "remove one of them from"
  },
  {
    tag: "ConfigFileMalformed",
    failure: "mapper.toml that is no TOML",
    how: "a line of mappers/c8y/mapper.toml without value; connect",
    cause: ({ place }) => {
      const { configDir, tedge } = place()
      mkdirSync(join(configDir, "mappers/c8y"), { recursive: true })
      writeFileSync(join(configDir, "mappers/c8y/mapper.toml"), 'cloud_type = "c8y"\nurl\n')
      return tedge(["connect", "c8y"])
    },
    says: "mappers/c8y/mapper.toml' is not TOML, line 2",
    next: "fix the line in an editor"
  },
  {
    tag: "InvalidPkcs11Uri",
    failure: "not a valid PKCS#11 URI",
    how: "hsm list-keys token=my-token",
    cause: ({ place }) => place().tedge(["hsm", "list-keys", "token=my-token"]),
    says: "missing PKCS #11 URI scheme: 'token=my-token'",
    next: "it begins with 'pkcs11:'",
    code: 2
  }
]
