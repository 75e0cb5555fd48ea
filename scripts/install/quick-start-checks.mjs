/** The commands of docs/install.md, as they are printed there, up to the connected device, its removal included. */
import { spawn } from "node:child_process"
import { copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { demand } from "./demand.mjs"

const here = dirname(fileURLToPath(import.meta.url))
const page = readFileSync(join(here, "../../docs/install.md"), "utf8")

/** The `sh` blocks of a section, joined. */
const commandsOf = (heading) => {
  const section = page.split(/^## /m).find((text) => text.startsWith(heading))
  return [...(section ?? "").matchAll(/^```sh\n(.*?)^```$/gms)].map(([, commands]) => commands).join("")
}

const softhsm = commandsOf("From a bare Debian to connected: SoftHSM2").split("\n").filter(Boolean)

/** `debian`: an open root in whose /opt/here the packages are. */
export const quickStartChecks = [
  [
    "docs/install.md has ten commands from a bare Debian to connected",
    async () => demand(softhsm.length === 10, `${softhsm.length} commands:\n${softhsm.join("\n")}`)
  ],
  [
    "they connect the device, as they are printed",
    async (debian) => {
      const cloud = await startCloud(debian)
      debian.cloud = cloud
      for (const command of softhsm) {
        if (command.startsWith("tedge connect")) await introduce(debian, cloud)
        await asPrinted(debian, command)
      }
      const test = await debian.exec(["tedge", "connect", "c8y", "--test"])
      demand(test.code === 0, test.stdout + test.stderr)
    }
  ],
  [
    "the broker has the queue limit that is promised for outages, from the file that mosquitto reads",
    async (debian) => {
      const conf = readFileSync(debian.path("/etc/tedge/mosquitto-conf/tedge-mosquitto.conf"), "utf8")
      demand(/^max_queued_messages 100000$/m.test(conf), conf)
    }
  ],
  [
    "removing and purging go as they are printed, and the key stays",
    async (debian) => {
      await debian.must("tedge", "disconnect", "c8y")
      for (const command of commandsOf("Remove").split("\n").filter(Boolean)) await asPrinted(debian, command)
      demand(!existsSync(debian.path("/usr/bin/tedge")), "tedge is still there")
      const tokens = await debian.must("find", "/var/lib/softhsm/tokens", "-name", "*.object")
      demand(tokens.trim() !== "", "the token is gone")
      await debian.cloud.close()
    }
  ]
]

const asPrinted = async (debian, command) => {
  const words = ["bash", "-euc", `cd /opt/here && ${command}`]
  const done = command.startsWith("apt-get") ? await debian.online(words) : await debian.exec(words)
  demand(done.code === 0, `${command}\n${done.stdout}${done.stderr}`)
}

/** What a tenant of one's own has by itself: a host name, a certificate that the system trusts, and the device's certificate. */
const introduce = async (debian, cloud) => {
  copyFileSync(cloud.authority, debian.path("/etc/tedge/cloud-ca.pem"))
  await debian.must("tedge", "config", "set", "c8y.url", "localhost")
  await debian.must("tedge", "config", "set", "c8y.mqtt", cloud.address)
  await debian.must("tedge", "config", "set", "c8y.root_cert_path", "/etc/tedge/cloud-ca.pem")
  await cloud.trust(debian.path("/etc/tedge/device-certs/tedge-certificate.pem"))
}

const startCloud = async (debian) => {
  const dir = `${debian.dir}.cloud`
  mkdirSync(dir, { recursive: true })
  const words = ["--target", debian.init, "--net", process.execPath, join(here, "cloud.mjs"), dir]
  const child = spawn("nsenter", words, { stdio: ["pipe", "pipe", "inherit"] })
  const ended = new Promise((resolve) => child.once("exit", resolve))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const { address, authority } = JSON.parse((await lines.next()).value)
  return {
    address,
    authority,
    trust: async (certificate) => {
      child.stdin.write(`${certificate}\n`)
      await lines.next()
    },
    close: async () => {
      child.stdin.end()
      await ended
    }
  }
}
