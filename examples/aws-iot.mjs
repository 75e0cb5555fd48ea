import { readFileSync } from "node:fs"
import mqtt from "mqtt"
import { mqttStream, openToken } from "tedge-actors/tls"

const { MODULE, PIN, CERT, CA, HOST, PORT = 443, THING = "my-thing" } = process.env
const token = openToken({ module: MODULE, pin: PIN })
const identity = { key: await token.key(), cert: readFileSync(CERT), ca: readFileSync(CA) }
// On port 443 the endpoint serves MQTT to who asks for it by ALPN.
const secure = { ...identity, host: HOST, port: PORT, ALPNProtocols: ["x-amzn-mqtt-ca"] }
const client = new mqtt.MqttClient(mqttStream(secure), { clientId: THING, protocolVersion: 4, keepalive: 60 })
client.on("error", (error) => console.error(error.code, error.message))
await client.publishAsync(`$aws/things/${THING}/shadow/update`, '{"state":{"reported":{"temperature":21}}}', { qos: 1 })
console.log("reported as", THING)
await client.endAsync()
await token.close()
