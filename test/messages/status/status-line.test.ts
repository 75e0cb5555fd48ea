import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { printEvent } from "../../../src/cli/services/service-socket.ts"
import { parseStatusLine } from "../../../src/messages/status/status-line.ts"
import { events, snapshots } from "./status-arbitrary.ts"

/** As docs/observing.md prints it. */
const golden = `{"version":1,"answer":"event","event":{"event":"link","at":1700000000000,"side":"cloud","state":"up"}}`

describe("a line of a service's answer", () => {
  it("is read back as it was printed, when it is a snapshot", () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        const line = JSON.stringify(snapshot)
        expect(line).not.toContain("\n")
        expect(parseStatusLine(line)).toEqual({ kind: "snapshot", snapshot: JSON.parse(line) })
      }),
      { seed: 18, numRuns: 200 }
    )
  })

  it("is read back as it was printed, when it is an event", () => {
    fc.assert(
      fc.property(events, (event) => {
        const line = printEvent(event)
        expect(line).not.toContain("\n")
        expect(parseStatusLine(line)).toEqual({ kind: "event", event: JSON.parse(line).event })
      }),
      { seed: 18, numRuns: 500 }
    )
  })

  it("is unknown wherever it is cut off", () => {
    fc.assert(
      fc.property(snapshots, fc.nat(), (snapshot, where) => {
        const line = JSON.stringify(snapshot)
        expect(parseStatusLine(line.slice(0, where % line.length)).kind).toBe("unknown")
      }),
      { seed: 18, numRuns: 200 }
    )
    for (let end = 0; end < golden.length; end += 1) expect(parseStatusLine(golden.slice(0, end)).kind).toBe("unknown")
    expect(parseStatusLine(golden).kind).toBe("event")
  })

  it("may have fields that this version does not know", () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        const newer = { ...snapshot, weather: "fine", service: { ...snapshot.service, mood: 1 } }
        const read = parseStatusLine(JSON.stringify(newer))
        expect(read).toEqual({ kind: "snapshot", snapshot: JSON.parse(JSON.stringify(snapshot)) })
      }),
      { seed: 18, numRuns: 50 }
    )
  })

  it.each([
    ["an event of a newer service", `{"version":1,"answer":"event","event":{"event":"eclipse","at":1}}`],
    ["a snapshot of another version", `{"version":2,"answer":"snapshot"}`],
    ["a number that is not one", golden.replace("1700000000000", '"soon"')],
    ["no object", "[]"],
    ["nothing", ""]
  ])("is unknown: %s", (_what, line) => {
    expect(parseStatusLine(line)).toEqual({ kind: "unknown" })
  })

  it("reports why a service sends no snapshot", () => {
    const line = `{"version":1,"error":"not a question of version 1"}`
    expect(parseStatusLine(line)).toEqual({ kind: "refused", error: "not a question of version 1" })
  })
})
