/**
 * The smallest machine: 256 MB, one core, no swap. Broker, mapper and signing service with its token host are to work there while a queue
 * as long as the broker may have drains. What each takes at most is printed.
 */
import { demand } from "../install/demand.mjs"
import { asPrinted, commandsOf, introduce } from "../install/quick-start-checks.mjs"
import { mapper, server, shippedDropIn } from "./units.mjs"

const count = 100_000
const more = 20_000
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
      await device.must("sh", "-euc", publish(count))
      await told(device, "queued")
    }
  ],
  [
    "all arrive, in order, when the cloud is back",
    async (device) => {
      const before = await arrived(device)
      await device.cloud.ask("startCloud")
      await device.until(async () => (await arrived(device)) > before, "a message arrives")
      const startedAt = performance.now()
      let least = Number.POSITIVE_INFINITY
      for (let seen = before; seen < before + count; )
        seen = await device.until(
          async () => {
            least = Math.min(least, (await memory(device)).MemAvailable)
            const now = await arrived(device)
            return now > seen && now
          },
          `${seen - before} messages have arrived, and more do`
        )
      const seconds = (performance.now() - startedAt) / 1000
      console.log(`      drained in ${seconds.toFixed(0)} s, ${(count / seconds).toFixed(0)} messages/s`)
      console.log(`      drained: at least ${mib(least)} MiB were available meanwhile`)
      // Of those that arrived a few may be the mapper's own.
      await device.until(async () => (await queued(device)).length >= count, "the last ones have arrived")
      const numbers = await queued(device)
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
  ],
  [
    "MemoryHigh and MemoryMax of our units are shown by systemctl, and neither was reached",
    (device) => isWithinLimits(device, { high: 192, max: 224 })
  ],
  [
    "docs/install.md, Memory: with the lower limits as they are printed, more messages arrive, and neither was reached",
    async (device) => {
      await asPrinted(device, commandsOf("Memory"))
      const before = await arrived(device)
      await device.must("sh", "-euc", publish(more))
      await device.until(async () => (await arrived(device)) >= before + more, `${more} more messages have arrived`)
      await isWithinLimits(device, { high: 80, max: 96 })
      await device.tedge("connect", "c8y", "--test")
    }
  ]
]

/** In MiB. */
const isWithinLimits = async (device, { high, max }) => {
  for (const unit of [mapper, server]) {
    const shown = await Promise.all(["MemoryHigh", "MemoryMax"].map((name) => device.show(unit, name)))
    const wanted = [high, max].map((limit) => String(limit * 1024 * 1024))
    demand(shown.join() === wanted.join(), `${unit}: MemoryHigh and MemoryMax are ${shown.join(" and ")}`)
    const group = await device.show(unit, "ControlGroup")
    const events = await device.must("cat", `/sys/fs/cgroup${group}/memory.events`)
    demand(/^high 0$/m.test(events) && /^max 0$/m.test(events), `${unit}:\n${events}`)
  }
}

/** In pieces: what mosquitto_pub has read and not sent is in its memory. */
const publish = (number) => `
for first in $(seq 1 2000 ${number}); do
  seq -f "200,queued,%.0f,${"x".repeat(80)}" "$first" $((first + 1999)) | mosquitto_pub -q 1 -t ${topic} -l
done`

const arrived = (device) => device.cloud.ask("countReceived", "s/us")

const queued = async (device) =>
  (await device.cloud.ask("received", "s/us"))
    .map((text) => Number(/^200,queued,(\d+),/.exec(text)?.[1]))
    .filter((number) => !Number.isNaN(number))

const memory = async (device) =>
  Object.fromEntries(
    [...(await device.must("cat", "/proc/meminfo")).matchAll(/^(\w+): +(\d+) kB$/gm)].map(([, name, kb]) => [
      name,
      Number(kb)
    ])
  )

const mib = (kb) => (kb / 1024).toFixed(0)

/** One line for each process and each unit: what it has, and had at most. */
const told = async (device, when) => {
  const { MemTotal, MemAvailable } = await memory(device)
  console.log(`      ${when}: ${mib(MemAvailable)} of ${mib(MemTotal)} MiB are available`)
  const processes = await device.must("sh", "-c", listProcesses)
  for (const line of processes.trim().split("\n")) {
    const [name, peak, now, own] = line.split(" ")
    console.log(`      ${when}: ${name} has ${mib(now)} MiB (RSS; own ${mib(own)}), at most ${mib(peak)}`)
  }
  for (const unit of [mapper, server, "mosquitto.service"]) {
    const [now, peak] = [await device.show(unit, "MemoryCurrent"), await device.show(unit, "MemoryPeak")].map(Number)
    console.log(`      ${when}: ${unit} has ${mib(now / 1024)} MiB, at most ${mib(peak / 1024)}`)
  }
}

/** The name of a Node process is that of its script. */
const listProcesses = `
for dir in /proc/[0-9]*; do
  read -r name <$dir/comm || continue
  case "$name" in
    mosquitto|tedge-*) ;;
    node|MainThread) name=$(tr '\\0' '\\n' <$dir/cmdline | sed -n 's,.*/bin/,,; /^tedge/{p;q}') ;;
    *) continue ;;
  esac
  cat $dir/status $dir/smaps_rollup | awk -v name="$name" '
    /^VmHWM:/{peak=$2} /^VmRSS:/{rss=$2} /^Private_/{own+=$2} END{print name, peak, rss, own}'
done 2>/dev/null`
