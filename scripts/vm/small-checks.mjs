/**
 * The smallest machine: 256 MB, one core, no swap. Broker, mapper and signing service with its token host are to work there while a queue
 * as long as the broker may have drains. What each takes at most is printed.
 */
import { demand } from "../install/demand.mjs"
import { asPrinted, commandsOf, introduce } from "../install/quick-start-checks.mjs"
import { mapper, server, shippedDropIn } from "./units.mjs"

const count = 100_000
const topic = "c8y/s/us"

export const smallChecks = [
  [
    "the device is connected in socket mode, with its key in the TPM",
    async (device) => {
      await asPrinted(device, commandsOf("From a bare Debian to connected: a TPM 2.0").slice(0, -1))
      await introduce(device)
      await device.tedge("config", "set", "device.cryptoki.mode", "socket")
      await shippedDropIn(device, server, "tpm2")
      await device.tedge("connect", "c8y")
      await told(device, "connected")
    }
  ],
  [
    `${count} messages of 100 bytes are queued while there is no cloud`,
    async (device) => {
      await device.cloud.ask("stopCloud")
      await device.must("sh", "-euc", publish)
      await told(device, "queued")
    }
  ],
  [
    "all arrive, in order, when the cloud is back",
    async (device) => {
      const startedAt = performance.now()
      await device.cloud.ask("startCloud")
      const arrived = () => device.cloud.ask("countReceived", "s/us")
      let least = Number.POSITIVE_INFINITY
      await device.until(async () => {
        least = Math.min(least, (await memory(device)).MemAvailable)
        return (await arrived()) >= count
      }, "all messages have arrived")
      console.log(
        `      drained in ${((performance.now() - startedAt) / 1000).toFixed(0)} s; at least ${mib(least)} MiB available`
      )
      const numbers = (await device.cloud.ask("received", "s/us"))
        .map((text) => Number(/^200,queued,(\d+),/.exec(text)?.[1]))
        .filter((number) => !Number.isNaN(number))
      const wrong = numbers.findIndex((number, index) => number !== index + 1)
      demand(wrong === -1 && numbers.length === count, `message ${wrong + 1} of ${numbers.length} is ${numbers[wrong]}`)
      await told(device, "drained")
    }
  ],
  [
    "no process was killed for its memory, and none was restarted",
    async (device) => {
      const kernel = await device.must("journalctl", "-b", "-k", "--no-pager", "-o", "cat")
      demand(!/out of memory|oom-kill/i.test(kernel), kernel)
      for (const unit of [mapper, server, "mosquitto.service"])
        demand((await device.show(unit, "NRestarts")) === "0", `${unit} was restarted`)
      demand((await memory(device)).SwapTotal === 0, "there is swap")
    }
  ]
]

/** In pieces: what mosquitto_pub has read and not sent is in its memory. */
const publish = `
for first in $(seq 1 2000 ${count}); do
  seq -f "200,queued,%.0f,${"x".repeat(80)}" "$first" $((first + 1999)) | mosquitto_pub -q 1 -t ${topic} -l
done`

const memory = async (device) =>
  Object.fromEntries(
    [...(await device.must("cat", "/proc/meminfo")).matchAll(/^(\w+): +(\d+) kB$/gm)].map(([, name, kb]) => [
      name,
      Number(kb)
    ])
  )

const mib = (kb) => (kb / 1024).toFixed(0)

/** One line a process: what it has, and had at most. */
const told = async (device, when) => {
  const { MemTotal, MemAvailable } = await memory(device)
  console.log(`      ${when}: ${mib(MemAvailable)} of ${mib(MemTotal)} MiB are available`)
  const processes = await device.must("sh", "-c", listProcesses)
  for (const line of processes.trim().split("\n")) {
    const [name, peak, now] = line.split(" ")
    console.log(`      ${when}: ${name} has ${mib(now)} MiB, at most ${mib(peak)} (RSS)`)
  }
}

const listProcesses = `
for dir in /proc/[0-9]*; do
  case "$(cat $dir/comm 2>/dev/null)" in
    mosquitto|tedge-*|node*) awk '/^Name:/{n=$2} /^VmHWM:/{p=$2} /^VmRSS:/{r=$2} END{print n, p, r}' $dir/status ;;
  esac
done`
