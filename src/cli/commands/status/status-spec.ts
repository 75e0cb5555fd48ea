/** Spec of `tedge status`: words and texts. */
import { type CommandSpec, profileOption } from "../../command-line/command-spec.ts"

export const statusSpec: CommandSpec = {
  name: "status",
  summary: "Show the connections, keys and services of this device",
  details: [
    "One screen for each connection: whether it is up, since when and why not; certificate, key and token; messages each way; the services behind it. The services are asked on their sockets, which are for root and for the user and group of the services; nothing is changed.",
    "Exit code 0: all is up. 3: something is down. 1: unknown."
  ],
  options: [
    {
      name: "watch",
      summary: "Show it again every second, until Ctrl-C.",
      details: ["On a terminal the screen is redrawn in place; elsewhere a line is printed for each connection."]
    },
    {
      name: "json",
      summary: "Print it as JSON, one object a line.",
      details: ["Its fields are those of the services' sockets: docs/observing.md."]
    },
    {
      name: "web",
      summary: "Serve it as a page for a browser, until Ctrl-C.",
      details: [
        "On 127.0.0.1 and a free port, under an address with a random secret, which is printed. The page is read-only and asks no other machine. With plots, the live graph of the actors, and one signature and one message hop by hop."
      ]
    },
    {
      name: "listen",
      value: "ADDRESS",
      summary: "Address and port of the page: 127.0.0.1:<PORT> or [::1]:<PORT>",
      details: ["Other addresses than those of the loopback are refused."]
    },
    profileOption
  ],
  arguments: [
    {
      name: "CLOUD",
      optional: true,
      summary: "The cloud: c8y (Cumulocity), az (Azure IoT) or aws (AWS IoT). Without it all connections are shown",
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
