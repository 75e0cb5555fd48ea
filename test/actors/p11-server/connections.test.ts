/** How many connections there may be, and their end when the service stops. */
import { Effect } from "effect"
import { expect, it } from "vitest"
import { Connections } from "../../../src/actors/p11-server/connections.ts"
import { defaultServerLimits } from "../../../src/messages/p11-server.ts"
import type { UnixStream } from "../../../src/platform/unix-stream.ts"

it("a client that has not asked when the service stops is closed, and its time to ask with it", async () => {
  const done: Array<string> = []
  const connections = new Connections()
  const stream: Pick<UnixStream, "close"> = { close: () => done.push("closed") }
  const connection = connections.add(stream, { uid: 1, gid: 1, pid: 1 })
  connection.asking = { cancel: () => done.push("cancelled") }
  await Effect.runPromise(connections.drain(1000))
  expect(done).toEqual(["cancelled", "closed"])
  expect(connections.status.connections).toBe(0)
})

it("a user whose connections have ended may have as many as before", () => {
  const connections = new Connections()
  const client = { uid: 1, gid: 1, pid: 1 }
  const limits = { ...defaultServerLimits, connections: 10, connectionsPerUser: 2 }
  for (let round = 0; round < 5; round++) {
    const both = [0, 1].map(() => {
      expect(connections.admission(client, limits)).toBe("admitted")
      return connections.add({ close: () => undefined }, client)
    })
    expect(connections.admission(client, limits)).toBe("busy")
    for (const one of both) connections.end(one)
    // A second end of the same one counts for nothing.
    for (const one of both) connections.end(one)
  }
})
