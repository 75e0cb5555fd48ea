/** Settings of the agent, the plugins, directories, the proxy and flows. */
import type { Setting } from "./setting.ts"
import { boolean, choice, duration, limits, path, proxyUrl, set, text, unsigned } from "./setting-types.ts"

export const systemSettings: ReadonlyArray<Setting> = [
  {
    key: "agent.state.path",
    type: path,
    default: "/data/tedge/agent",
    doc: "Directory in which the agent keeps what it must remember. If it does not exist, a directory below the configuration directory is used.",
    examples: ["/data/tedge/agent"]
  },
  {
    key: "agent.enable.config_update",
    type: boolean,
    default: "true",
    doc: "Let the agent carry out the operation config_update.",
    examples: ["true"]
  },
  {
    key: "agent.enable.config_snapshot",
    type: boolean,
    default: "true",
    doc: "Let the agent carry out the operation config_snapshot.",
    examples: ["true"]
  },
  {
    key: "agent.enable.log_upload",
    type: boolean,
    default: "true",
    doc: "Let the agent carry out the operation log_upload.",
    examples: ["true"]
  },
  {
    key: "agent.entity_store.auto_register",
    type: boolean,
    default: "true",
    deprecated: ["c8y.entity_store.auto_register"],
    doc: "Register entities when their first message is seen.",
    examples: ["true"]
  },
  {
    key: "agent.entity_store.clean_start",
    type: boolean,
    default: "false",
    deprecated: ["c8y.entity_store.clean_start"],
    doc: "Forget registered entities at start and learn them again from retained messages.",
    examples: ["true"]
  },
  {
    key: "software.plugin.default",
    type: text,
    doc: "Software plugin that is used when none is named.",
    examples: ["apt"]
  },
  {
    key: "software.plugin.max_packages",
    type: unsigned,
    default: "1000",
    doc: "How many packages of a type are reported at most.",
    examples: ["1000"]
  },
  {
    key: "software.plugin.include",
    type: text,
    doc: "Regular expression: only packages that match are reported.",
    examples: ["^(tedge|c8y).*"]
  },
  {
    key: "software.plugin.exclude",
    type: text,
    doc: "Regular expression: packages that match are not reported.",
    examples: ["^(glibc|lib|kernel-|iptables-module).*"]
  },
  {
    key: "run.path",
    type: path,
    default: "/run",
    doc: "Directory for what lives as long as the system runs: lock files are in its subdirectory lock.",
    examples: ["/run"]
  },
  {
    key: "run.lock_files",
    type: boolean,
    default: "true",
    doc: "Let each service hold a lock file, so that it cannot run twice.",
    examples: ["true"]
  },
  {
    key: "run.log_memory_interval",
    type: duration,
    default: "0",
    doc: "Time between two log lines of the mapper about its memory. 0: none.",
    examples: ["60s"]
  },
  {
    key: "logs.path",
    type: path,
    default: "/var/log/tedge",
    doc: "Directory for the logs of operations.",
    examples: ["/var/log/tedge"]
  },
  {
    key: "logs.max_per_operation",
    type: limits,
    default: "*:5, software_list:1",
    doc: "How many logs are kept of each kind of operation.",
    examples: ["*:5, software_list:1"]
  },
  { key: "tmp.path", type: path, default: "/tmp", doc: "Directory for temporary files.", examples: ["/tmp"] },
  {
    key: "data.path",
    type: path,
    default: "/var/tedge",
    doc: "Directory for files that are exchanged with the cloud.",
    examples: ["/var/tedge"]
  },
  {
    key: "firmware.child.update.timeout",
    type: duration,
    default: "1h",
    doc: "How long a child device may take for a firmware update.",
    examples: ["1h"]
  },
  {
    key: "service.type",
    type: text,
    default: "service",
    doc: "Type of the services of this device, as sent to the cloud.",
    examples: ["systemd"]
  },
  {
    key: "service.timestamp_format",
    type: choice("rfc-3339", "unix"),
    default: "unix",
    doc: "Format of the time in the health messages of services.",
    examples: ["rfc-3339", "unix"]
  },
  {
    key: "apt.name",
    type: text,
    doc: "Regular expression: the apt plugin lists only packages whose name matches.",
    examples: ["tedge.*"]
  },
  {
    key: "apt.maintainer",
    type: text,
    doc: "Regular expression: the apt plugin lists only packages whose maintainer matches.",
    examples: ["thin-edge.io team.*"]
  },
  {
    key: "apt.dpkg.options.config",
    type: choice("keepold", "keepnew"),
    default: "keepold",
    deprecated: ["apt.dpk.options.config"],
    doc: "Which version of a changed configuration file survives the update of a package.",
    examples: ["keepold", "keepnew"]
  },
  {
    key: "sudo.enable",
    type: boolean,
    default: "true",
    doc: "Use sudo for what the user tedge may not do.",
    examples: ["true", "false"]
  },
  {
    key: "proxy.address",
    type: proxyUrl,
    doc: "HTTP proxy through which the cloud is reached, for HTTP and, with the built-in bridge, for MQTT.",
    note: "The scheme is http unless https is given; user and password have settings of their own."
  },
  { key: "proxy.username", type: text, doc: "User name for the proxy. Needs proxy.password." },
  { key: "proxy.password", type: text, secret: true, doc: "Password for the proxy. Needs proxy.username." },
  {
    key: "proxy.no_proxy",
    type: text,
    fallbackVariable: "NO_PROXY",
    doc: "Hosts and networks that HTTP clients reach without the proxy. MQTT does not look at it.",
    examples: ["127.0.0.1,example.com,192.168.1.0/24"]
  },
  {
    key: "diag.plugin_paths",
    type: set,
    default: "/usr/share/tedge/diag-plugins",
    doc: "Directories with diagnostic plugins.",
    examples: ["/usr/share/diag-plugins,/etc/tedge/diag-plugins"]
  },
  {
    key: "log.plugin_paths",
    type: set,
    default: "/usr/share/tedge/log-plugins",
    doc: "Directories with log plugins.",
    examples: ["/usr/share/log-plugins,/etc/tedge/log-plugins"]
  },
  {
    key: "configuration.plugin_paths",
    type: set,
    default: "/usr/share/tedge/config-plugins",
    doc: "Directories with configuration plugins.",
    examples: ["/usr/share/tedge/config-plugins,/usr/local/share/tedge/config-plugins"]
  },
  {
    key: "flows.memory.heap_size",
    type: unsigned,
    default: "16777216",
    doc: "Memory, in bytes, that the JavaScript of flows may use.",
    examples: ["16777216"]
  },
  {
    key: "flows.memory.stack_size",
    type: unsigned,
    default: "262144",
    doc: "Stack, in bytes, that the JavaScript of flows may use.",
    examples: ["262144"]
  },
  {
    key: "flows.stats.interval",
    type: duration,
    default: "1h",
    doc: "Time between two reports of flow statistics.",
    examples: ["1h"]
  },
  { key: "flows.stats.on_message", type: boolean, default: "false", doc: "Count the work that flows do for messages." },
  {
    key: "flows.stats.on_interval",
    type: boolean,
    default: "false",
    doc: "Count the work that flows do at intervals."
  },
  { key: "flows.stats.on_startup", type: boolean, default: "false", doc: "Count the work that flows do at start." },
  {
    key: "flows.params.keep_on_delete",
    type: boolean,
    default: "false",
    doc: "Keep the parameters of a flow when the flow is removed."
  }
]
