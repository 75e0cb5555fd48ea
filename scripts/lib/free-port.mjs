/** A TCP port on the loopback interface that nobody uses now. Another process may take it before you do: retry. */
import { createServer } from "node:net"

export const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(address.port))
    })
  })
