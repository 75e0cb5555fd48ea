/** A device that has packages named as thin-edge.io's own moves over, by the commands of docs/install.md as they are printed. */
import { demand } from "./demand.mjs"
import { makeOriginals } from "./played-original.mjs"
import { asPrinted, commandsOf, introduce, putHere } from "./quick-start-checks.mjs"

const server = "tedge-p11-server.service"
const mapper = "tedge-mapper-c8y.service"
const bridge = "tedge-bridge-c8y.service"
const pin = "123456"
const module = "/usr/lib/softhsm/libsofthsm2.so"

const settings = `[device]
id = "device-1"
key_uri = "pkcs11:token=my-token;object=my-key"
[device.cryptoki]
mode = "socket"
module_path = "${module}"
pin = "${pin}"
[mqtt.bridge]
built_in = true
`

/** The answer to a ListKeysRequest without URI and PIN, as thin-edge.io's own client sends it, and as its user. */
const keysFor = async (device) => {
  const asServices = ["setpriv", "--reuid=tedge", "--regid=tedge", "--clear-groups"]
  return (await device.exec([...asServices, "sh", "-c", withNode, "sh", "-e", askKeys])).stdout
}

/** Debian 12 has it in our package only, and not in PATH. */
const withNode = 'node=/usr/lib/tedge-actors-node/bin/node; [ -x "$node" ] || node=/usr/bin/node; exec "$node" "$@"'

const askKeys = `const socket = require("net").connect({
  path: "/run/tedge-p11-server/tedge-p11-server.sock", allowHalfOpen: true
})
socket.end(Buffer.of(0, 22, 0, 0)).pipe(process.stdout)`

const dropIns = `/etc/systemd/system/${server}.d`

/** More often than its StartLimitBurst lets it. */
const restarted = async (device) => {
  await device.must("systemctl", "daemon-reload")
  await device.must("systemctl", "reset-failed", server)
  await device.must("systemctl", "restart", server)
}

/** Runs the command that an installation prints for `what`; the next one prints none. */
const handedOver = async (device, what) => {
  let said = ""
  const printed = async () => {
    const asDpkg = ["env", "DPKG_MAINTSCRIPT_NAME=postinst", "DPKG_MAINTSCRIPT_PACKAGE=tedge-actors-p11-server"]
    const postinst = "/var/lib/dpkg/info/tedge-actors-p11-server.postinst"
    said = (await device.exec([...asDpkg, postinst, "configure", "0.0.1"])).stderr
    return new RegExp(`may not use ${what}/?: (.*)$`, "m").exec(said)?.[1]
  }
  const command = await printed()
  demand(command !== undefined, `no command is printed for ${what}: ${said}`)
  await device.must("systemctl", "reset-failed", server)
  await device.must("sh", "-c", command)
  demand((await printed()) === undefined, `after '${command}' it is still printed`)
}

/** `device.files`: the packages of each version. */
export const movingOverChecks = [
  [
    "a device has thin-edge.io's packages, a token that root made, and settings",
    async (device) => {
      await makeOriginals(device.path("/opt/original"), "2.0.1")
      device.write("/etc/apt/sources.list.d/original.list", "deb [trusted=yes] file:/opt/original ./\n")
      for (const words of [["update"], ["install", "-y", "tedge-full"]]) await device.must("apt-get", "-q", ...words)
      await device.must("systemctl", "start", "tedge-p11-server.socket")
      await device.must(
        "softhsm2-util",
        "--init-token",
        "--free",
        "--label=my-token",
        `--pin=${pin}`,
        "--so-pin=87654321"
      )
      await device.must(
        ...["pkcs11-tool", "--module", module, "--token-label", "my-token", "--login", "--pin", pin],
        ...["--keypairgen", "--key-type", "EC:prime256v1", "--label", "my-key", "--id", "01"]
      )
      device.write("/etc/tedge/tedge.toml", settings)
    }
  ],
  [
    "only the signing service: it finds the token, behind the socket of the same name",
    async (device) => {
      putHere(device, device.files[0])
      await asPrinted(device, commandsOf("Only the signing service"))
      demand((await device.show("tedge-p11-server.socket", "ActiveState")) === "active", "the socket is not active")
      demand((await device.show(server, "ActiveState")) === "inactive", "the service runs before it is asked")
      demand((await keysFor(device)).includes("my-key"), "the key is not listed over the socket that systemd holds")
      await device.until(
        async () => (await device.show(server, "StatusText")).includes("my-token"),
        "its status names the token"
      )
      demand((await device.tedge("anything")) === "original\n", "thin-edge.io's tedge is gone")
    }
  ],
  [
    "only the signing service, with a token store that stays root's: by the drop-in root.conf, and not without it",
    async (device) => {
      await device.must(
        "sh",
        "-c",
        "chown -R root:root /var/lib/softhsm/tokens && chmod -R go= /var/lib/softhsm/tokens"
      )
      await restarted(device)
      demand(!(await keysFor(device)).includes("my-key"), "the store is not closed: nothing is shown by this")
      demand(
        / may not .* sudo chown /.test(await device.journal("-u", server)),
        "the service does not name what is closed"
      )
      const dropIn = `${dropIns}/root.conf`
      await device.must("sh", "-c", "printf '[device.cryptoki]\\npin = \"123456\"\\n' > /etc/tedge/secrets.toml")
      await device.must("sh", "-c", "chown tedge:tedge /etc/tedge/secrets.toml && chmod 640 /etc/tedge/secrets.toml")
      await device.must("cp", "/usr/share/tedge-actors-p11-server/drop-ins/root.conf", dropIn)
      await restarted(device)
      await device.until(async () => (await keysFor(device)).includes("my-key"), "the key is listed")
      await device.must("rm", dropIn)
    }
  ],
  [
    "the commands that the package prints hand over a token store, one of another place, and a device node",
    async (device) => {
      await device.must("rm", `${dropIns}/softhsm2.conf`)
      await handedOver(device, "/var/lib/softhsm/tokens")
      await device.until(async () => (await keysFor(device)).includes("my-key"), "the key is listed")
      const environment = device.read("/etc/tedge/plugins/tedge-p11-server.conf")
      await device.must("mkdir", "/srv/tpm")
      device.write("/srv/tpm/tpm2_pkcs11.sqlite3", "", 0o600)
      device.write("/etc/tedge/plugins/tedge-p11-server.conf", "TPM2_PKCS11_STORE=/srv/tpm\n")
      await handedOver(device, "/srv/tpm")
      await device.must("groupadd", "--system", "tpm-users")
      await device.must("sh", "-c", "mknod -m 0660 /dev/tpmrm0 c 1 3 && chgrp tpm-users /dev/tpmrm0")
      await handedOver(device, "/dev/tpmrm0")
      const pid = await device.mainPid(server)
      const asService = ["setpriv", "--reuid=tedge", "--regid=tedge", "--init-groups"]
      const opened = ["nsenter", "--target", pid, "--mount", "--", ...asService, "touch"]
      await device.must(...opened, "/srv/tpm/tpm2_pkcs11.sqlite3")
      const group = (await device.must("stat", "-c", "%g", "/dev/tpmrm0")).trim()
      const groups = /^Groups:(.*)$/m.exec(device.read(`/proc/${pid}/status`))?.[1] ?? ""
      demand(groups.split(/\s+/).includes(group), `the service is not in group ${group} of the device: ${groups}`)
      demand((await device.show(server, "DeviceAllow")).includes("/dev/tpmrm0"), "the device is closed in its sandbox")
      await device.must("rm", "-r", "/srv/tpm", "/dev/tpmrm0", `${dropIns}/tpm2.conf`, `${dropIns}/tpm2-store.conf`)
      device.write("/etc/tedge/plugins/tedge-p11-server.conf", environment)
      await restarted(device)
      await device.until(async () => (await keysFor(device)).includes("my-key"), "the key is listed again")
    }
  ],
  [
    "the bridge beside thin-edge.io's mapper: connected, in its sandbox, and the mapper leaves the cloud to it",
    async (device) => {
      putHere(device, device.files[0])
      await asPrinted(device, ["apt-get install -y ./tedge-actors-bridge_*.deb"])
      await device.must("systemctl", "start", mapper)
      await device.must("tedge-hsm", "cert", "create")
      await introduce(device, "tedge-hsm")
      await device.must("tedge-hsm", "connect", "c8y")
      const environment = device.read(`/proc/${await device.mainPid(mapper)}/environ`)
      demand(environment.split("\0").includes("TEDGE_MQTT_BRIDGE_BUILT_IN=false"), "the mapper has its own bridge")
      const status = device.read(`/proc/${await device.mainPid(bridge)}/status`)
      demand(/^NoNewPrivs:\s*1$/m.test(status) && /^CapBnd:\s*0+$/m.test(status), "the bridge is not in a sandbox")
      demand((await device.must("systemctl", "is-enabled", bridge)).trim() === "enabled", "the bridge is not enabled")
      // What thin-edge.io's mapper waits for, and what it sends then.
      const health = "te/device/main/service/mosquitto-c8y-bridge/status/health"
      demand((await device.cloud.ask("localPayload", health)) === "1", "the mapper is not told that it may begin")
      await device.cloud.ask("publish", "c8y/s/us", "500")
      await device.until(async () => (await device.cloud.ask("received", "s/us")).includes("500"), "500 in the cloud")
      const told = (await device.exec(["tedge-hsm", "hsm", "doctor", "c8y"])).stdout
      demand(/✓/.test(told) && !/✗ .*(mapper|bridge)/.test(told), told)
    }
  ],
  [
    "a bridge that is killed is back by itself, and disconnect gives the cloud back",
    async (device) => {
      const pid = await device.mainPid(bridge)
      await device.must("kill", "-9", pid)
      await device.until(async () => ![pid, "0"].includes(await device.mainPid(bridge)), "another process")
      await device.until(
        async () => (await device.exec(["tedge-hsm", "connect", "c8y", "--test"])).code === 0,
        "connected again"
      )
      const dropIn = `/etc/systemd/system/${mapper}.d/tedge-hsm.conf`
      await device.must("test", "-f", dropIn)
      await device.must("tedge-hsm", "disconnect", "c8y")
      demand((await device.exec(["test", "-e", dropIn])).code !== 0, "the drop-in is still there")
      for (const unit of [bridge, mapper])
        demand((await device.show(unit, "ActiveState")) === "inactive", `${unit} still runs`)
    }
  ],
  [
    "everything: the device is connected, and thin-edge.io's packages are gone",
    async (device) => {
      await asPrinted(device, commandsOf("Everything"), async (command) => {
        if (command.startsWith("tedge connect")) await introduce(device)
      })
      await device.tedge("connect", "c8y", "--test")
      const left = await device.must("dpkg", "-l", "tedge*")
      const installed = [...left.matchAll(/^ii +(\S+)/gm)].map(([, name]) => name)
      demand(installed.filter((name) => name !== "tedge-actors-node").join() === "tedge-actors", left)
    }
  ]
]
