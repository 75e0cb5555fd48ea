import { readFileSync } from "node:fs"
import got from "got"
import { createAgent, openToken } from "tedge-actors/tls"

const { MODULE, PIN, CERT, CA, URL } = process.env
const token = openToken({ module: MODULE, pin: PIN })
const agent = { https: createAgent({ key: await token.key(), cert: readFileSync(CERT), ca: readFileSync(CA) }) }
const response = await got(URL, { agent, timeout: { connect: 20_000, secureConnect: 20_000, request: 30_000 } })
console.log(response.body, response.timings.phases.tls > 0)
const refused = await got(URL.replace("localhost", "127.0.0.2"), { agent, retry: { limit: 0 } }).catch((error) => error)
console.log(refused.code)
agent.https.destroy()
await token.close()
