/** A device that has packages named as thin-edge.io's own moves over, by the commands of docs/install.md as they are printed. */
import { demand } from "./demand.mjs"
import { makeOriginals } from "./played-original.mjs"
import { asPrinted, commandsOf, introduce, putHere } from "./quick-start-checks.mjs"

const server = "tedge-p11-server.service"
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

/** `device.files`: the packages of each version. */
export const movingOverChecks = [
  [
    "a device has thin-edge.io's packages, a token that root made, and settings",
    async (device) => {
      await makeOriginals(device.path("/opt/original"), "2.0.1")
      device.write("/etc/apt/sources.list.d/original.list", "deb [trusted=yes] file:/opt/original ./\n")
      for (const words of [["update"], ["install", "-y", "tedge-full"]]) {
        const done = await device.online(["apt-get", "-q", ...words])
        demand(done.code === 0, done.stdout + done.stderr)
      }
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
      await device.must("systemctl", "start", server)
      await device.until(
        async () => (await device.show(server, "StatusText")).includes("my-token"),
        "its status names the token"
      )
      demand((await device.tedge("anything")) === "original\n", "thin-edge.io's tedge is gone")
    }
  ],
  [
    "everything: the device is connected, and thin-edge.io's packages are gone",
    async (device) => {
      await asPrinted(device, commandsOf("Everything"), async (command) => {
        if (!command.startsWith("tedge connect")) return
        await device.tedge("cert", "create")
        await introduce(device)
      })
      await device.tedge("connect", "c8y", "--test")
      const left = await device.must("dpkg", "-l", "tedge*")
      const installed = [...left.matchAll(/^ii +(\S+)/gm)].map(([, name]) => name)
      demand(installed.filter((name) => name !== "tedge-actors-node").join() === "tedge-actors", left)
    }
  ]
]
