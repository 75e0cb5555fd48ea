import { readFileSync } from "node:fs"
import { openToken, undiciConnector } from "tedge-actors/tls"
import { Agent, fetch, Pool, request } from "undici"

const { MODULE, PIN, CERT, CA, URL } = process.env
const token = openToken({ module: MODULE, pin: PIN })
const connect = undiciConnector({ key: await token.key(), cert: readFileSync(CERT), ca: readFileSync(CA) })
const dispatcher = new Agent({ connect, connections: 4 })
const asked = Array.from({ length: 12 }, async () => (await fetch(URL, { dispatcher })).text())
console.log(new Set(await Promise.all(asked)).size)
const pool = new Pool(new globalThis.URL(URL).origin, { connect, pipelining: 4 })
const { body } = await request(URL, { dispatcher: pool, method: "POST", body: "x".repeat(500_000) })
console.log(await body.text())
const refused = await fetch(URL.replace("localhost", "127.0.0.2"), { dispatcher }).catch(({ cause }) => cause)
console.log(refused.code)
await dispatcher.close()
await pool.close()
await token.close()
