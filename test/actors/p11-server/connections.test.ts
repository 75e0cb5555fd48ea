/** The end of the connections when the service stops. */
import { Effect } from "effect"
import { expect, it } from "vitest"
import { Connections } from "../../../src/actors/p11-server/connections.ts"
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
