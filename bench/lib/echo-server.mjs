/** tls-echo-server.mjs in a process of its own. */
import { spawn } from "node:child_process"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const program = join(dirname(fileURLToPath(import.meta.url)), "tls-echo-server.mjs")

/** `server`: its certificate and key. Rejects when it ends before it listens. */
export const startEchoServer = ({ certificate, key }, ca) =>
  new Promise((resolve, reject) => {
    const echo = spawn(process.execPath, [program, certificate, key, ca.certificate], {
      stdio: ["pipe", "pipe", "inherit"]
    })
    echo.stdout.once("data", (text) => resolve({ port: Number(text), stop: () => echo.stdin.end() }))
    echo.once("exit", (code) => reject(new Error(`the echo server ended with exit code ${code}`)))
  })
