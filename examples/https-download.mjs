import { createWriteStream, readFileSync } from "node:fs"
import { get } from "node:https"
import { pipeline } from "node:stream/promises"
import { createAgent, openToken } from "tedge-actors/tls"

const { MODULE, PIN, CERT, CA, HOST, PORT } = process.env
const token = openToken({ module: MODULE, pin: PIN })
const agent = createAgent({ key: await token.key(), cert: readFileSync(CERT), ca: readFileSync(CA) })
const response = await new Promise((resolve, reject) => {
  get({ host: HOST, port: PORT, path: "/firmware", agent }, resolve).on("error", reject)
})
await pipeline(response, createWriteStream("firmware.bin"))
console.log("downloaded", response.statusCode)
agent.destroy()
await token.close()
