/** How many connections there may be, and their end when the service stops. */
import { Effect } from "effect"
import { expect, it } from "vitest"
import { ClientConnections } from "../../../src/actors/p11-server/p11-server-actor.ts"
import type { UnixStream } from "../../../src/platform/sockets/unix-stream.ts"
import { defaultServerLimits } from "./default-limits.ts"

it("a client that has not asked when the service stops is closed, and its time to ask with it", async () => {
  const done: Array<string> = []
  const connections = new ClientConnections()
  const stream: Pick<UnixStream, "close"> = { close: () => done.push("closed") }
  const connection = connections.add(stream, { uid: 1, gid: 1, pid: 1 })
  connection.asking = { cancel: () => done.push("cancelled") }
  await Effect.runPromise(connections.drain(1000))
  expect(done).toEqual(["cancelled", "closed"])
  expect(connections.status.connections).toBe(0)
})

it("a user whose connections have ended may have as many as before", () => {
  const connections = new ClientConnections()
  const client = { uid: 1, gid: 1, pid: 1 }
  const limits = { ...defaultServerLimits, connections: 10, connectionsPerUser: 2 }
  for (let round = 0; round < 5; round++) {
    const both = [0, 1].map(() => {
      expect(connections.admission(client, limits, 900)).toBe("admitted")
      return connections.add({ close: () => undefined }, client)
    })
    expect(connections.admission(client, limits, 900)).toBe("busy")
    for (const one of both) connections.end(one)
    // A second end of the same one counts for nothing.
    for (const one of both) connections.end(one)
  }
})

it("counts connections under subordinate ids with those of the user they belong to", () => {
  const connections = new ClientConnections()
  const limits = { ...defaultServerLimits, connections: 16, connectionsPerUser: 2 }
  const mapped = (uid: number) => ({ uid, gid: uid, pid: 1, ownerUid: 1001 })
  const open = [mapped(100_001), mapped(100_002)].map((client) => connections.add({ close: () => undefined }, client))
  expect(connections.admission(mapped(100_003), limits, 900)).toBe("busy")
  expect(connections.admission({ uid: 1001, gid: 1001, pid: 1 }, limits, 900)).toBe("busy")
  expect(connections.admission({ uid: 1002, gid: 1002, pid: 1 }, limits, 900)).toBe("admitted")
  for (const one of open) connections.end(one)
  expect(connections.admission(mapped(100_003), limits, 900)).toBe("admitted")
})

it("keeps places for root also where there are fewer descriptors than connections may be", () => {
  const connections = new ClientConnections(13)
  const admission = (uid: number) => {
    const client = { uid, gid: uid, pid: 1 }
    const answer = connections.admission(client, defaultServerLimits, 900)
    if (answer === "admitted") connections.add({ close: () => undefined }, client)
    return answer
  }
  expect([1, 1, 2, 3, 4, 5, 6, 7].map(admission)).toEqual([
    ...["admitted", "busy", "admitted", "admitted", "admitted", "admitted"],
    ...["busy", "busy"]
  ])
  expect(admission(0)).toBe("admitted")
})

it("keeps places for root and the service's own user, however many others come", () => {
  const connections = new ClientConnections()
  const ownUid = 900
  const limits = { ...defaultServerLimits, connections: 16, connectionsPerUser: 5 }
  const fill = (uid: number, tries = 40) => {
    let admitted = 0
    while (admitted < tries && connections.admission({ uid, gid: uid, pid: 1 }, limits, ownUid) === "admitted") {
      connections.add({ close: () => undefined }, { uid, gid: uid, pid: 1 })
      admitted += 1
    }
    return admitted
  }
  expect([1, 2, 3, 4].map((uid) => fill(uid))).toEqual([5, 5, 4, 0])
  // The service's own user, should it run wild, leaves root a place.
  expect(fill(ownUid)).toBe(1)
  expect(fill(0)).toBe(1)
})

it("two users with all they may have take less than half of the places", () => {
  expect(2 * defaultServerLimits.connectionsPerUser).toBeLessThanOrEqual(defaultServerLimits.connections / 2)
})
