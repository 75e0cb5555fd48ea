import { readFileSync } from "node:fs"
import fetch from "node-fetch"
import { createAgent, openToken } from "tedge-actors/tls"

const { MODULE, PIN, CERT, CA, URL } = process.env
const token = openToken({ module: MODULE, pin: PIN })
const agent = createAgent({ key: await token.key(), cert: readFileSync(CERT), ca: readFileSync(CA), keepAlive: false })
console.log(await (await fetch(URL, { agent })).text())
await token.close()
