import { readFileSync } from "node:fs"
import axios from "axios"
import { createAgent, openToken } from "tedge-actors/tls"

const { MODULE, PIN, CERT, CA, URL } = process.env
const token = openToken({ module: MODULE, pin: PIN })
const httpsAgent = createAgent({ key: await token.key(), cert: readFileSync(CERT), ca: readFileSync(CA) })
const answers = await Promise.all([
  axios.get(URL, { httpsAgent }),
  axios.post(URL, "x".repeat(300_000), { httpsAgent })
])
console.log(...answers.map(({ data }) => data))
await axios.get(URL, { httpsAgent, timeout: 1, signal: AbortSignal.timeout(1) }).catch(({ code }) => console.log(code))
httpsAgent.destroy()
await token.close()
