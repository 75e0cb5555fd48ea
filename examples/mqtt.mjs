import { readFileSync } from "node:fs"
import mqtt from "mqtt"
import { mqttStream, openToken } from "tedge-actors/tls"

const { MODULE, PIN, CERT, CA, HOST, PORT } = process.env
const token = openToken({ module: MODULE, pin: PIN })
const key = await token.key()
const secure = { key, cert: readFileSync(CERT), ca: readFileSync(CA), host: HOST, port: PORT }
const client = new mqtt.MqttClient(mqttStream(secure), { protocolVersion: 4 })
client.on("error", (error) => console.error(error.code, error.message, error.hint ?? ""))
client.on("message", async (topic, payload) => {
  console.log(topic, String(payload))
  await client.endAsync()
  await token.close()
})
await client.subscribeAsync("greeting")
await client.publishAsync("greeting", "hello from a token")
