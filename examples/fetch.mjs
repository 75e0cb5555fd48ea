import { readFileSync } from "node:fs"
import { openToken, undiciConnector } from "tedge-actors/tls"
import { Agent, fetch } from "undici"

const { MODULE, PIN, CERT, CA, HOST, PORT } = process.env
const token = openToken({ module: MODULE, pin: PIN })
const connect = undiciConnector({ key: await token.key(), cert: readFileSync(CERT), ca: readFileSync(CA) })
const dispatcher = new Agent({ connect })
const response = await fetch(`https://${HOST}:${PORT}/status`, { dispatcher })
console.log(response.status, await response.text())
await dispatcher.close()
await token.close()
