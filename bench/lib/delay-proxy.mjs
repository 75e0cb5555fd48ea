/** A road with a length: what comes in goes out `delayMs` later, in both directions, at any rate. */
import { connect, createServer } from "node:net"

/** `port`: where it listens; 0: anywhere. */
export const startDelayProxy = (toPort, delayMs, port = 0) =>
  new Promise((resolve) => {
    const server = createServer({ noDelay: true }, (near) => {
      const far = connect({ host: "localhost", port: toPort, noDelay: true })
      const later = (from, to) =>
        from
          .on("data", (bytes) => setTimeout(() => to.destroyed || to.write(bytes), delayMs))
          .on("error", () => to.destroy())
      later(near, far)
      later(far, near)
      near.on("close", () => setTimeout(() => far.destroy(), delayMs))
      far.on("close", () => setTimeout(() => near.destroy(), delayMs))
    })
    server.listen(port, "localhost", () => resolve({ port: server.address().port, close: () => server.close() }))
  })
