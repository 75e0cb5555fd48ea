/** Spec of `tedge mapper`: words and texts. */
import type { CommandSpec } from "../../command-line/command-spec.ts"

export const mapperCommandsSpec: CommandSpec = {
  name: "mapper",
  summary: "Show the mappers of this device and their settings",
  commands: [
    {
      name: "list",
      summary: "List the mappers: name, url, device id with its source, cloud type, separated by tabs",
      examples: [{ says: "the mappers that have a directory", command: "tedge mapper list" }]
    },
    {
      name: "config",
      summary: "Read the settings of a mapper",
      commands: [
        {
          name: "get",
          summary: "Get the value of a setting, and on stderr its source",
          arguments: [
            {
              name: "KEY",
              summary: "The mapper and the key: `c8y.url`, `c8y.prod.device.id`",
              offers: "mapper settings"
            }
          ],
          examples: [{ says: "the host of Cumulocity", command: "tedge mapper config get c8y.url" }]
        }
      ]
    }
  ]
}
