/** What `tedge status` knows of the services in their sandboxes, after the service checks, in socket mode and connected. */
import { demand } from "./demand.mjs"
import { shippedDropIn } from "./service-checks.mjs"

const mapper = "tedge-mapper-c8y"
const server = "tedge-p11-server"

const asMember = ["setpriv", "--reuid=65534", "--regid=tedge", "--clear-groups"]

/** What `--json` prints, as any member of the services' group. */
const askStatus = async (device) => {
  const { code, stdout, stderr } = await device.exec([...asMember, "tedge", "status", "--json"])
  demand(stdout.startsWith("{"), `exit code ${code}\n${stdout}${stderr}`)
  const { connections, services, note } = JSON.parse(stdout)
  demand(note === undefined, `note: ${note}`)
  const all = [...connections.map(({ service }) => service), ...services]
  const pidOf = ({ snapshot }) => (snapshot === undefined ? "" : `, process ${snapshot.service.pid}`)
  const shown = all.map((one) => `${one.name}: ${one.state}${one.idle ? ", idle" : ""}${pidOf(one)} ${one.error ?? ""}`)
  const reportOf = (name) => all.find((one) => one.name === name)
  return { code, shown: `exit code ${code}: ${shown.join("; ")}`, mapper: reportOf(mapper), server: reportOf(server) }
}

/** Each is up, and what answers is the process that systemd started. */
const bothAreShown = async (device) => {
  const told = await askStatus(device)
  demand(told.code === 0, told.shown)
  for (const [unit, report] of [
    [mapper, told.mapper],
    [server, told.server]
  ]) {
    demand(report.state === "up" && report.manager === "systemd", told.shown)
    const pid = await device.mainPid(`${unit}.service`)
    demand(String(report.snapshot?.service.pid) === pid, `${unit} is process ${pid}; ${told.shown}`)
  }
  return told
}

const restartBoth = async (device) => {
  await device.must("systemctl", "restart", `${server}.service`, `${mapper}.service`)
  await device.until(device.isConnected, "connected again")
}

/** [sentence, check(device)] */
export const statusChecks = [
  [
    "tedge status shows a member of the services' group the mapper and the signing service, exit code 0",
    async (device) => {
      await restartBoth(device)
      await bothAreShown(device)
      const screen = await device.must(...asMember, "tedge", "status")
      for (const part of [
        "Cumulocity \\(c8y\\) up",
        `service +${mapper} .*systemd`,
        `${server} .*systemd`,
        "'my-token'"
      ])
        demand(new RegExp(part).test(screen), `no '${part}' in:\n${screen}`)
    }
  ],
  [
    "a user outside the group of the services is refused, exit code 1",
    async (device) => {
      const asStranger = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
      const { code, stdout } = await device.exec([...asStranger, "tedge", "status"])
      demand(code === 1 && /usermod -aG tedge/.test(stdout), `exit code ${code}: ${stdout}`)
    }
  ],
  [
    "a stopped mapper and a stopped signing service are shown as down, exit code 3, and one that waits for clients as idle",
    async (device) => {
      await device.must("systemctl", "stop", `${mapper}.service`)
      const stopped = await askStatus(device)
      demand(stopped.code === 3 && stopped.mapper.state === "down" && stopped.server.state === "up", stopped.shown)
      await device.must("systemctl", "stop", `${server}.socket`, `${server}.service`)
      const both = await askStatus(device)
      demand(both.code === 3 && both.server.state === "down", both.shown)
      await device.must("systemctl", "start", `${server}.socket`)
      const idle = await askStatus(device)
      demand(idle.server.state === "up" && idle.server.idle === true, idle.shown)
      await restartBoth(device)
      await bothAreShown(device)
    }
  ],
  [
    "a signing service that root runs is shown beside the mapper, whichever started last: each has a directory of its own",
    async (device) => {
      // Without capabilities root reads its own files, and not those of another user.
      await device.must("chown", "-R", "root:root", "/var/lib/softhsm/tokens")
      await shippedDropIn(device, `${server}.service`, "root")
      const owner = async () => (await device.must("stat", "-c", "%U:%G %a", "/run/tedge-actors")).trim()
      const before = await owner()
      for (const last of [server, mapper, server]) {
        await device.must("systemctl", "reset-failed", `${server}.service`)
        await device.must("systemctl", "restart", `${last}.service`)
        await device.until(device.isConnected, "connected again")
        const { server: report } = await bothAreShown(device)
        const user = await device.must("ps", "-o", "user=", "-p", String(report.snapshot.service.pid))
        demand(user.trim() === "root", `the signing service runs as ${user}`)
        demand((await owner()) === before, `the owner of /run/tedge-actors was ${before} and is ${await owner()}`)
      }
      await device.must("chown", "-R", "tedge:softhsm", "/var/lib/softhsm/tokens")
      await device.must("rm", `/etc/systemd/system/${server}.service.d/root.conf`)
      await device.must("systemctl", "daemon-reload")
      await device.must("systemctl", "reset-failed", `${server}.service`)
      await restartBoth(device)
      await bothAreShown(device)
    }
  ]
]
