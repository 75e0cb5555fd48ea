import { readFileSync } from "node:fs"
import mqtt from "mqtt"
import { mqttStream, openToken } from "tedge-actors/tls"

const { MODULE, PIN, CERT, CA, HOST, PORT = 8883, DEVICE = "my-device" } = process.env
const token = openToken({ module: MODULE, pin: PIN })
const secure = { key: await token.key(), cert: readFileSync(CERT), ca: readFileSync(CA), host: HOST, port: PORT }
const client = new mqtt.MqttClient(mqttStream(secure), {
  clientId: DEVICE,
  username: `${HOST}/${DEVICE}/?api-version=2021-04-12`,
  protocolVersion: 4
})
client.on("error", (error) => console.error(error.code, error.message))
await client.publishAsync(`devices/${DEVICE}/messages/events/`, '{"temperature":21}', { qos: 1 })
console.log("sent as", DEVICE)
await client.endAsync()
await token.close()
