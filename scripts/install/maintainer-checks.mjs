/** What the scripts of the packages do under systemd, after the service checks: upgrade, the version before again, removal, purge. */
import { demand } from "./demand.mjs"

const socket = "tedge-p11-server.socket"
const server = "tedge-p11-server.service"
const mapper = "tedge-mapper-c8y.service"
const include = "include_dir /etc/tedge/mosquitto-conf"

/** `old` and `next`: the files of the two versions. */
export const maintainerChecks = ({ old, next }) => [
  upgradeUnderTraffic(next),
  [
    "the version before installs over this one: what runs is restarted, and connects",
    async (device) => {
      const before = await device.mainPid(mapper)
      await device.install(old)
      demand(![before, "0"].includes(await device.mainPid(mapper)), "the mapper was not restarted")
      await device.until(device.isConnected, "connected with the version before")
    }
  ],
  [
    "an upgrade neither enables nor starts a socket that an admin disabled, nor a mapper that is stopped",
    async (device) => {
      await device.tedge("disconnect", "c8y")
      await device.must("systemctl", "disable", "--now", socket)
      await device.must("systemctl", "stop", server)
      await device.install(next)
      demand((await device.exec(["systemctl", "is-enabled", socket])).stdout.trim() === "disabled", "enabled again")
      for (const unit of [socket, server, mapper])
        demand((await device.show(unit, "ActiveState")) === "inactive", `${unit} was started`)
      await device.must("systemctl", "enable", "--now", socket)
      await device.tedge("connect", "c8y")
    }
  ],
  [
    "removal stops the services, and leaves neither the socket's file nor the line in mosquitto's",
    async (device) => {
      await device.must("dpkg", "--remove", "tedge-actors")
      demand(!device.read("/etc/mosquitto/mosquitto.conf").includes(include), "the line is still there")
      const running = await device.exec(["systemctl", "list-units", "--plain", "--no-legend", "tedge-*"])
      demand(!/ (active|activating) /.test(running.stdout), running.stdout)
      const left = await device.exec(["pgrep", "--uid", "tedge", "--list-full"])
      demand(left.stdout === "", `processes: ${left.stdout}`)
      demand((await device.exec(["test", "-e", "/run/tedge-p11-server/tedge-p11-server.sock"])).code !== 0, "a socket")
    }
  ],
  [
    "a new installation finds the settings, and connects",
    async (device) => {
      await device.install(next)
      await device.must("systemctl", "restart", "mosquitto")
      await device.tedge("connect", "c8y")
    }
  ],
  [
    "purging leaves tokens, keys and certificates, and no unit",
    async (device) => {
      await device.must("dpkg", "--purge", "tedge-actors")
      const units = await device.exec(["systemctl", "list-unit-files", "--no-legend", "tedge-*"])
      demand(units.stdout.trim() === "", units.stdout)
      const enabled = await device.must("find", "/etc/systemd/system", "-type", "l", "-name", "tedge-*")
      demand(enabled === "", enabled)
      demand((await device.exec(["test", "-e", "/etc/tedge/tedge.toml"])).code !== 0, "settings are left")
      await device.must("test", "-s", "/etc/tedge/device-certs/tedge-certificate.pem")
      const tokens = await device.must("find", "/var/lib/softhsm/tokens", "-name", "*.object")
      demand(tokens !== "", "the token is gone")
    }
  ]
]

/** 100 messages a minute of QoS 1 go on while the package is replaced: each comes to the cloud. */
const upgradeUnderTraffic = (next) => [
  "an upgrade while 100 messages a minute flow loses none",
  async (device) => {
    const topic = "c8y/s/us"
    await device.cloud.ask("startFlow", topic, 600)
    const before = await device.mainPid(mapper)
    const seen = async () =>
      (await device.cloud.ask("received", "s/us")).filter((text) => text.startsWith("message ")).length
    await device.until(async () => (await seen()) > 2, "messages flow")
    await device.install(next)
    const then = await seen()
    await device.until(async () => (await seen()) > then + 2, "messages flow after the upgrade")
    const acknowledged = await device.cloud.ask("stopFlow")
    const missing = async () => {
      const received = new Set(await device.cloud.ask("received", "s/us"))
      return acknowledged.filter((text) => !received.has(text))
    }
    await device.until(
      async () => (await missing()).length === 0,
      `all ${acknowledged.length} messages came to the cloud`
    )
    demand((await device.mainPid(mapper)) !== before, "the mapper was not restarted")
    console.log(`      ${acknowledged.length} messages, none lost`)
  }
]
