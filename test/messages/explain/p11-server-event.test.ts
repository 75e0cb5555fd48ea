/** What tedge-p11-server logs of connections that are aborted. */
import { expect, it } from "vitest"
import { explainServerEvent } from "../../../src/messages/explain/p11-server.ts"

const client = { uid: 1, gid: 2, pid: 3 }

it("a client that goes away is no warning: anybody can do it without end", () => {
  expect(explainServerEvent({ _tag: "ClientAborted", client, reason: "gone" })).toEqual({
    level: "debug",
    text: "client disconnected: closed by the client uid=1 gid=2 pid=3"
  })
  for (const reason of ["silent", "tooLong", "notReading", "tooMany"] as const)
    expect(explainServerEvent({ _tag: "ClientAborted", client, reason }).level).toBe("warn")
})
