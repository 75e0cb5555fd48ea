/**
 * One end of a bridge measurement, in a process of its own.
 *
 *   publish URL TOPIC COUNT SIZE WINDOW RATE   QoS 1; RATE 0: as fast as WINDOW allows
 *   receive URL TOPIC COUNT                    prints one line of JSON when all have come; "inOrder": none overtook;
 *                                              "curve": percentiles and their latencies in ms, ten to each further nine,
 *                                              up to where ten messages took longer
 *
 * The first 16 bytes of a payload are its number and the time it was sent (monotonic clock, nanoseconds).
 */
import { connect } from "node:net"
import mqtt from "mqtt"

const [role, url, topic, count, size, window, rate] = process.argv.slice(2)
const total = Number(count)
const client = url.startsWith("/")
  ? new mqtt.MqttClient(() => connect(url), { reconnectPeriod: 0 })
  : mqtt.connect(url, { reconnectPeriod: 0 })

const publish = () => {
  let sent = 0
  let done = 0
  const send = () => {
    const payload = Buffer.alloc(Number(size), 0x78)
    payload.writeBigUInt64BE(BigInt(sent), 0)
    payload.writeBigUInt64BE(process.hrtime.bigint(), 8)
    sent += 1
    client.publish(topic, payload, { qos: 1 }, () => {
      done += 1
      if (done === total) client.end(false, () => process.exit(0))
      else if (Number(rate) === 0 && sent < total) send()
    })
  }
  if (Number(rate) === 0) for (let n = 0; n < Math.min(Number(window), total); n++) send()
  else {
    const timer = setInterval(() => {
      if (sent < total) send()
      else clearInterval(timer)
    }, 1000 / Number(rate))
  }
}

const receive = () => {
  const seen = new Set()
  const latencies = []
  let first = 0n
  let inOrder = true
  client.on("message", (_topic, payload) => {
    const now = process.hrtime.bigint()
    const number = payload.readBigUInt64BE(0)
    if (seen.has(number)) return
    inOrder &&= number === BigInt(seen.size)
    seen.add(number)
    const sentAt = payload.readBigUInt64BE(8)
    if (first === 0n || sentAt < first) first = sentAt
    latencies.push(Number(now - sentAt) / 1e6)
    if (seen.size < total) return
    latencies.sort((a, b) => a - b)
    const seconds = Number(now - first) / 1e9
    const at = (part) => latencies[Math.floor((latencies.length - 1) * part)]
    console.log(
      JSON.stringify({ rate: total / seconds, p50: at(0.5), p99: at(0.99), inOrder, curve: curveOf(latencies) })
    )
    client.end(true, () => process.exit(0))
  })
  client.subscribe(topic, { qos: 1 }, () => console.log("ready"))
}

const curveOf = (sorted) => {
  const points = []
  for (let tenths = 0; sorted.length * 10 ** (-tenths / 10) >= 10; tenths++) {
    const below = 1 - 10 ** (-tenths / 10)
    points.push([100 * below, sorted[Math.floor(sorted.length * below)]])
  }
  return points
}

client.on("error", (error) => {
  console.error(error.message)
  process.exit(1)
})
client.on("connect", role === "publish" ? publish : receive)
