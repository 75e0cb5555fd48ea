/**
 * A second service, played on its socket with the snapshots of the mapper that runs, changed: a mailbox that fills cannot
 * be had from a sound mapper on command.
 */
import { createConnection, createServer } from "node:net"
import { join } from "node:path"

/** One snapshot of the mapper that runs. */
const snapshotOf = (device) =>
  new Promise((resolve, reject) => {
    let text = ""
    const socket = createConnection(socketOf(device, "tedge-mapper-c8y"))
    socket.on("connect", () => socket.write('{"version":1,"ask":"snapshot"}\n')).on("error", reject)
    socket.setEncoding("utf8").on("data", (data) => {
      text += data
      if (!text.includes("\n")) return
      socket.destroy()
      resolve(JSON.parse(text))
    })
  })

/** Streams the mapper's snapshot under another name, changed, four times a second. */
export const playedService = async (device, service, change) => {
  const snapshot = await snapshotOf(device)
  snapshot.service.name = service
  change(snapshot)
  const sockets = new Set()
  const server = createServer((socket) => {
    sockets.add(socket)
    const tell = () => {
      snapshot.at += 250
      socket.write(`${JSON.stringify(snapshot)}\n`)
    }
    const timer = setInterval(tell, 250)
    socket.on("error", () => {}).on("close", () => clearInterval(timer))
    tell()
  })
  await new Promise((resolve) => server.listen(socketOf(device, service), resolve))
  return {
    stop: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(resolve)
      })
  }
}

const socketOf = (device, service) => join(device.dir, "run/tedge-actors", `${service}.sock`)
