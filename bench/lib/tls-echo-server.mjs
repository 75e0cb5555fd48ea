/** A TLS 1.3 server in a process of its own, which wants a client certificate and echoes. Prints its port. */
import { readFileSync } from "node:fs"
import { createServer } from "node:tls"

const [cert, key, ca] = process.argv.slice(2).map((path) => readFileSync(path, "utf8"))
const server = createServer(
  { cert, key, ca, requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.3", noDelay: true },
  (socket) => {
    socket.on("error", () => undefined)
    socket.pipe(socket)
  }
)
server.listen(0, "127.0.0.1", () => console.log(server.address().port))
process.stdin.on("end", () => process.exit(0)).resume()
