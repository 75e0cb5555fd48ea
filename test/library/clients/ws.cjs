const { readFileSync } = require("node:fs")
const { createAgent, openToken } = require("tedge-actors/tls")
const { WebSocket } = require("ws")

const { MODULE, PIN, CERT, CA, URL } = process.env
const token = openToken({ module: MODULE, pin: PIN })
token.key().then((key) => {
  const agent = createAgent({ key, cert: readFileSync(CERT), ca: readFileSync(CA) })
  const socket = new WebSocket(URL.replace("https", "wss"), { agent })
  socket.on("open", () => socket.send("x".repeat(200_000)))
  socket.on("message", (data) => {
    console.log(data.length)
    socket.close()
  })
  socket.on("close", () => token.close())
})
