/** The commands of docs/install.md, as they are printed there: from a bare Debian to the connected device, and away again. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { demand } from "./demand.mjs"

const page = readFileSync(join(dirname(fileURLToPath(import.meta.url)), "../../docs/install.md"), "utf8")

/** The lines of the `sh` blocks below a heading. */
export const commandsOf = (heading) => {
  const section = page.split(/^###? /m).find((text) => text.startsWith(heading))
  const blocks = [...(section ?? "").matchAll(/^```sh\n(.*?)^```$/gms)].map(([, commands]) => commands)
  return blocks.join("").split("\n").filter(Boolean)
}

/** Where an admin has the packages. */
export const here = "/opt/here"

/** Of all our services, and over that of their drop-ins. */
const servicesEnvironment = "/etc/tedge/plugins/tedge-p11-server.conf"

/** The packages in that directory are these and no others. */
export const putHere = (device, files) => {
  rmSync(device.path(here), { recursive: true, force: true })
  mkdirSync(device.path(here), { recursive: true })
  for (const file of files) copyFileSync(file, join(device.path(here), basename(file)))
}

/** Commands of one shell, as far as its variables go. `device.environment`: NAME=value of what the machine has otherwise. */
export const asPrinted = async (device, commands, before = async () => {}) => {
  const variables = device.environment === undefined ? [] : [`export ${device.environment}`]
  for (const command of commands) {
    await before(command)
    if (command.startsWith("export ")) variables.push(command)
    const words = ["bash", "-euc", [`cd ${here}`, ...variables, command].join("\n")]
    const done = await device.exec(words)
    demand(done.code === 0, `${command}\n${done.stdout}${done.stderr}`)
  }
}

/** `heading`: of the section. `device.files`: the packages of each version, the older first. */
export const quickStartChecks = (heading) => {
  const commands = commandsOf(heading)
  return [
    [
      `docs/install.md, ${heading}: ten commands`,
      async () => demand(commands.length === 10, `${commands.length} commands:\n${commands.join("\n")}`)
    ],
    [
      "they connect the device, as they are printed",
      async (device) => {
        putHere(device, device.files[0].filter(isMain))
        await asPrinted(device, commands, async (command) => {
          if (!command.startsWith("tedge connect")) return
          if (device.environment !== undefined) await device.write(servicesEnvironment, `${device.environment}\n`)
          await introduce(device)
        })
        await device.tedge("connect", "c8y", "--test")
      }
    ]
  ]
}

/** After a quick start: what the page says of an installed device. */
export const afterwards = [
  [
    "the broker has the queue limit that is promised for outages, from the file that mosquitto reads",
    async (device) => {
      const conf = device.read("/etc/tedge/mosquitto-conf/tedge-mosquitto.conf")
      demand(/^max_queued_messages 100000$/m.test(conf), conf)
    }
  ],
  [
    "an upgrade, and the version before again, go as they are printed, and the device is connected",
    async (device) => {
      const [old, next] = device.files.map((files) => files.filter(isMain))
      const versions = [old, next].map(([file]) => basename(file).split("_")[1])
      const isNow = async (version) => {
        demand((await device.tedge("--version")).includes(version), `it is not version ${version}`)
        await device.until(device.isConnected, "connected again")
      }
      putHere(device, next)
      const [upgrade] = commandsOf("Upgrade")
      await asPrinted(device, [upgrade])
      await isNow(versions[1])
      putHere(device, old)
      const [, back] = /`(apt-get [^`]*--allow-downgrades [^`]*)`/.exec(page) ?? []
      demand(back?.endsWith("_OLD.deb"), `no command for the version before: ${back}`)
      await asPrinted(device, [back.replace("./tedge-actors_OLD.deb", `./${basename(old[0])}`)])
      await isNow(versions[0])
    }
  ],
  [
    "removing and purging go as they are printed, and the key stays",
    async (device) => {
      await device.tedge("disconnect", "c8y")
      await asPrinted(device, commandsOf("Remove"))
      demand((await device.exec(["test", "-e", "/usr/bin/tedge"])).code !== 0, "tedge is still there")
      const tokens = readdirSync(device.path("/var/lib/softhsm/tokens"), { recursive: true })
      demand(
        tokens.some((name) => name.endsWith(".object")),
        "the token is gone"
      )
    }
  ]
]

const isMain = (file) => basename(file).startsWith("tedge-actors_")

/** What a tenant of one's own has by itself: a host name, a certificate that the system trusts, and the device's certificate. */
export const introduce = async (device, command = "tedge") => {
  await device.write("/etc/tedge/cloud-ca.pem", await device.cloud.ask("authority"))
  await device.must(command, "config", "set", "c8y.url", await device.cloud.ask("host"))
  await device.must(command, "config", "set", "c8y.mqtt", await device.cloud.ask("address"))
  await device.must(command, "config", "set", "c8y.root_cert_path", "/etc/tedge/cloud-ca.pem")
  await device.cloud.ask("trust", await device.read("/etc/tedge/device-certs/tedge-certificate.pem"))
}
