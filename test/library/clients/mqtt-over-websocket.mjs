import { readFileSync } from "node:fs"
import mqtt from "mqtt"
import { createAgent, openToken } from "tedge-actors/tls"

const { MODULE, PIN, CERT, CA, URL } = process.env
const token = openToken({ module: MODULE, pin: PIN })
const agent = createAgent({ key: await token.key(), cert: readFileSync(CERT), ca: readFileSync(CA) })
const client = await mqtt.connectAsync(URL.replace("https", "wss"), { wsOptions: { agent } })
client.on("message", async (topic, payload) => {
  console.log(topic, String(payload))
  await client.endAsync()
  await token.close()
})
await client.subscribeAsync("over/websocket")
await client.publishAsync("over/websocket", "hello", { qos: 1 })
