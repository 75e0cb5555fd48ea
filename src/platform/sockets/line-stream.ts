/** Sends a line over a UNIX socket and receives lines until it closes; then reconnects and sends it again. */
import type { Socket } from "node:net"
import { codeOf } from "../process/error-code.ts"
import { dialUnix } from "./socket-io.ts"

interface LineStream {
  readonly path: string
  readonly question: string
  readonly onLine: (line: string) => void
  /** Node's code, or `closed`. Called once each time the connection ends or fails. */
  readonly onEnd: (code: string) => void
}

/** Returns how to stop it. */
export const followLines = ({ path, question, onLine, onEnd }: LineStream): (() => void) => {
  let socket: Socket
  let again: NodeJS.Timeout | undefined
  const ask = (): void => {
    let rest = ""
    let code = "closed"
    socket = dialUnix(path)
    socket.setEncoding("utf8")
    socket.once("connect", () => socket.write(`${question}\n`))
    socket.on("data", (text: string) => {
      const lines = (rest + text).split("\n")
      rest = lines.pop() ?? ""
      if (rest.length > longestLine) socket.destroy()
      for (const line of lines) onLine(line)
    })
    socket.once("error", (error) => {
      code = codeOf(error)
    })
    socket.once("close", () => {
      onEnd(code)
      again = setTimeout(ask, 1_000)
    })
  }
  ask()
  return () => {
    socket.removeAllListeners("close")
    socket.destroy()
    clearTimeout(again)
  }
}

const longestLine = 4_194_304
