/** Echoes what WebSockets of the server bring. `ws` is JavaScript: it may be missing where its types are not wanted. */
import { WebSocketServer } from "ws"

export const echoing = (server) => {
  const sockets = new WebSocketServer({ server })
  sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)))
  return () => sockets.close()
}
