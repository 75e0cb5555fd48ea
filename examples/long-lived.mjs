import { readFileSync } from "node:fs"
import mqtt from "mqtt"
import { mqttStream, openToken } from "tedge-actors/tls"

const { MODULE, PIN, CERT, CA, HOST, PORT } = process.env
const token = openToken({ module: MODULE, pin: PIN })
for (const event of ["gone", "back", "waits", "warning"]) token.on(event, (facts) => console.log(event, facts))
const secure = { key: await token.key(), cert: readFileSync(CERT), ca: readFileSync(CA), host: HOST, port: PORT }
const client = new mqtt.MqttClient(mqttStream(secure), { reconnectPeriod: 1000, protocolVersion: 4 })
for (const event of ["connect", "close"]) client.on(event, () => console.log(event))
client.on("error", (error) => console.log("error", error.code))
process.once("SIGTERM", async () => {
  await client.endAsync()
  await token.close()
})
