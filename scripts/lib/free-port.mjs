/**
 * A TCP port on the loopback interface that is free now, below those that Linux gives to outgoing connections:
 * only another server may take it before you do. A broker that meets that one gets another port.
 */
import { createServer } from "node:net"

export const freePort = async () => {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * (ephemeral - lowest))
    if (await canListen(port)) return port
  }
}

const lowest = 15_000
const ephemeral = 32_768

const canListen = (port) =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once("error", (error) => (error.code === "EADDRINUSE" ? resolve(false) : reject(error)))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })

/** Calls `start` with a free port, up to three times when the port was taken after all. Answers the port and what started. */
export const startOnFreePort = async (start, tries = 3) => {
  const port = await freePort()
  try {
    return { port, started: await start(port) }
  } catch (error) {
    if (tries > 1 && String(error).includes("Address already in use")) return startOnFreePort(start, tries - 1)
    throw error
  }
}
