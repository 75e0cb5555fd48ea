/** Spec of `tedge status`: words and texts. */
import { type CommandSpec, profileOption } from "../../command-line/command-spec.ts"

export const statusSpec: CommandSpec = {
  name: "status",
  summary: "Show the connections, keys and services of this device",
  details: [
    "One screen for each connection: whether it is up, since when and why not; certificate, key and token; messages in both directions; its services. Queries the services on their sockets, which are accessible to root and to the services' user and group. Changes nothing.",
    "Exit code 0: all is up. 3: something is down. 1: unknown."
  ],
  options: [
    {
      name: "watch",
      summary: "Refresh every second, until Ctrl-C.",
      details: ["On a terminal the screen is redrawn in place; otherwise one line is printed per connection."]
    },
    {
      name: "json",
      summary: "Print JSON, one object per line.",
      details: ["The fields are those of the services' sockets: docs/observing.md."]
    },
    {
      name: "web",
      summary: "Serve a web page, until Ctrl-C.",
      details: [
        "On 127.0.0.1 and a free port; the printed URL contains a random secret. The page is read-only and loads nothing from other machines. It has plots, the live graph of the actors, and one signature and one message hop by hop."
      ]
    },
    {
      name: "listen",
      value: "ADDRESS",
      summary: "Address and port of the page: 127.0.0.1:<PORT> or [::1]:<PORT>",
      details: ["Only loopback addresses are allowed."]
    },
    profileOption
  ],
  arguments: [
    {
      name: "CLOUD",
      optional: true,
      summary: "The cloud: c8y (Cumulocity), az (Azure IoT) or aws (AWS IoT). Default: all connections",
      choices: ["c8y", "az", "aws"]
    }
  ],
  examples: [
    { says: "all connections of the device", command: "tedge status" },
    { says: "watch the one to Cumulocity", command: "tedge status c8y --watch" },
    {
      says: "a live page; from a laptop: ssh -L 8080:127.0.0.1:8080 <DEVICE>",
      command: "tedge status --web --listen 127.0.0.1:8080"
    },
    { says: "for a script", command: "tedge status --json" }
  ]
}
