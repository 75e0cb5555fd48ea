/**
 * A reboot into a world where nothing is there in time: no network, no names, no cloud, and a clock that is wrong. One after the other
 * comes, the clock last.
 */
import { demand } from "../install/demand.mjs"
import { mapper, server } from "./units.mjs"

const messages = Array.from({ length: 100 }, (_, number) => `200,late,message,${number + 1}`)

/** What the journal of the mapper has to say, since the boot. */
const tells = (device, words, what) =>
  device.until(async () => words.test(await device.journal("-b", "-u", mapper)), what)

const bootId = (device) => device.must("cat", "/proc/sys/kernel/random/boot_id")

/** In seconds. */
const time = async (device) => Number(await device.must("date", "+%s"))

export const rebootChecks = [
  [
    "systemctl reboot with no network and a clock in the past: services start by themselves, without waiting for either",
    async (device) => {
      const [before, rightTime] = [await bootId(device), await time(device)]
      await device.must("sh", "-euc", 'date --set "-200 days" && hwclock --systohc --utc')
      await device.cloud.ask("stopCloud")
      await device.unplug()
      await device.reboot()
      demand((await bootId(device)) !== before, "it is the same boot")
      demand((await time(device)) < rightTime, "the clock is not in the past")
      for (const unit of ["mosquitto.service", mapper, "tedge-p11-server.socket"])
        await device.until(async () => (await device.show(unit, "ActiveState")) === "active", `${unit} is active`)
    }
  ],
  [
    "messages are taken by the local broker meanwhile",
    (device) => device.must("sh", "-euc", `printf '%s\\n' ${messages.join(" ")} | mosquitto_pub -q 1 -t c8y/s/us -l`)
  ],
  [
    "no network, no name server, no cloud, a clock in the past: each is told while it lasts, and the next when it is over",
    async (device) => {
      await tells(device, /getaddrinfo|resolve|host name|name server|DNS/i, "a name that cannot be resolved")
      await device.plug()
      await device.must("systemctl", "start", "played-dns")
      await tells(device, /refused/i, "a cloud that does not answer")
      await device.cloud.ask("startCloud")
      await tells(device, /not yet valid|not valid yet/i, "the clock")
      demand(!(await device.isConnected()), "it is connected with a clock in the past")
    }
  ],
  [
    "the clock steps: the mapper is connected by itself, and the messages arrive, in order",
    async (device) => {
      await device.must("date", "--set", new Date().toISOString())
      const late = async () =>
        (await device.cloud.ask("received", "s/us")).filter((text) => text.startsWith("200,late"))
      await device.until(async () => (await late()).length >= messages.length, "all messages have arrived")
      demand((await late()).join() === messages.join(), `they are:\n${(await late()).join("\n")}`)
      demand((await device.show(mapper, "NRestarts")) === "0", "the mapper was restarted")
      await device.tedge("connect", "c8y", "--test")
    }
  ],
  [
    "the key and the encrypted PIN are still there for the TPM of the next boot",
    async (device) => {
      demand((await device.show(server, "ActiveState")) === "active", "the signing service does not run")
      const hasKey = async () => /my-key/.test((await device.exec(["tedge", "hsm", "list-keys"])).stdout)
      await device.until(hasKey, "the token has the key")
    }
  ]
]
