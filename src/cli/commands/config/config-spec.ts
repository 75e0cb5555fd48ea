/** Specs of `tedge config`: words and texts. */
import type { ArgumentSpec, CommandSpec, OptionSpec } from "../../command-line/command-spec.ts"
import { profileOption } from "../../command-line/command-spec.ts"

const key: ArgumentSpec = {
  name: "KEY",
  summary: "Configuration key. Run `tedge config list --doc` for available keys",
  offers: "settings"
}

const profile: OptionSpec = {
  ...profileOption,
  summary: "The cloud profile you wish to use, if accessing a cloud configuration"
}

const changing = (name: string, summary: string, value: string): CommandSpec => ({
  name,
  summary,
  options: [profile],
  arguments: [key, { name: "VALUE", summary: value, offers: "values" }]
})

export const configSpec: CommandSpec = {
  name: "config",
  summary: "Configure Thin Edge",
  commands: [
    {
      name: "get",
      summary: "Get the value of the provided configuration key",
      options: [profile],
      arguments: [key],
      examples: [{ says: "the device's id", command: "tedge config get device.id" }]
    },
    {
      ...changing("set", "Set or update the provided configuration key with the given value", "Configuration value"),
      examples: [{ says: "sign with a key in a token", command: "tedge config set device.cryptoki.mode module" }]
    },
    {
      name: "unset",
      summary: "Unset the provided configuration key",
      options: [profile],
      arguments: [key]
    },
    changing(
      "add",
      "Append or set the provided configuration key with the given value",
      "Configuration value: members of a list, separated by commas"
    ),
    changing(
      "remove",
      "Remove value from the provided configuration key",
      "Configuration value: members of a list, separated by commas"
    ),
    {
      name: "upgrade",
      summary:
        "Move settings to the files they belong to: of clouds to mapper.toml, PINs and passwords to secrets.toml",
      details: [
        "tedge.toml is copied to tedge.toml.bak first. Settings that are in the right file already are not changed; the command can be repeated at any time."
      ]
    },
    {
      name: "list",
      summary: "Print the configuration keys and their values",
      options: [
        { name: "all", summary: "Print all the configuration keys, even those not configured" },
        { name: "doc", summary: "Print all keys and descriptions with example values" }
      ],
      arguments: [
        { name: "FILTER", optional: true, offers: "settings", summary: "Part of the keys to print: `cryptoki`, `c8y.`" }
      ]
    }
  ]
}
