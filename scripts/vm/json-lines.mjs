/** A UNIX socket on which each line is a JSON value: QEMU's monitor (QMP) and its guest agent speak like this. */
import { connect } from "node:net"
import { setTimeout as delay } from "node:timers/promises"

/** Waits until something listens. `onValue` is told each value; what is no JSON is noise of a machine that was just reset. */
export const connectLines = async (path, onValue, isAlive) => {
  for (;;) {
    const socket = await connected(path)
    if (socket !== undefined) return linesOf(socket, onValue)
    if (!isAlive()) throw new Error(`nothing listens on ${path}`)
    await delay(100)
  }
}

const connected = (path) =>
  new Promise((resolve) => {
    const socket = connect(path, () => resolve(socket))
    socket.once("error", () => resolve(undefined))
  })

const linesOf = (socket, onValue) => {
  let rest = ""
  socket.on("error", () => undefined)
  socket.setEncoding("utf8").on("data", (text) => {
    const lines = (rest + text).split("\n")
    rest = lines.pop()
    for (const line of lines) {
      const value = parsed(line)
      if (value !== undefined) onValue(value)
    }
  })
  return {
    send: (value) => socket.write(`${JSON.stringify(value)}\n`),
    close: () => socket.destroy()
  }
}

const parsed = (line) => {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
