/** What `--watch` writes to a terminal, and how it is given back. */
import { Effect, Exit, Scope } from "effect"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { openScreen } from "../../../../src/cli/commands/status/watch-screen.ts"
import { now } from "./reports.ts"

let written: string
let scope: Scope.Closeable

beforeEach(async () => {
  written = ""
  const ignored = () => undefined
  const stream = { rows: 5, write: (text: string) => (written += text), on: ignored, off: ignored }
  scope = Scope.makeUnsafe()
  const show = await Effect.runPromise(
    Scope.provide(
      openScreen(stream, () => ["a line"]),
      scope
    )
  )
  await Effect.runPromise(show({ version: 1, at: now, connections: [], services: [] }))
})
afterEach(async () => {
  await Effect.runPromise(Scope.close(scope, Exit.void))
  vi.restoreAllMocks()
})

const noWrap = "\u001b[?7l"
const left = "\u001b[?7h\u001b[?25h\u001b[?1049l"

describe("the watched screen", () => {
  it("does not wrap lines that are wider than the terminal, until it is closed", async () => {
    expect(written.indexOf(noWrap)).toBeGreaterThan(-1)
    expect(written.indexOf(noWrap)).toBeLessThan(written.indexOf("a line"))
    await Effect.runPromise(Scope.close(scope, Exit.void))
    expect(written.endsWith(left)).toBe(true)
  })

  it("clears nothing after a line: the cursor is still on it", () => {
    expect(written).toContain("\u001b[Ka line\r\n\u001b[J")
  })

  it("gives the terminal back on Ctrl-\\, and lets the signal end the process", () => {
    const before = process.listenerCount("SIGQUIT")
    const kill = vi.spyOn(process, "kill").mockImplementation(() => {
      expect(written.endsWith(left)).toBe(true)
      return true
    })
    process.emit("SIGQUIT", "SIGQUIT")
    expect(kill.mock.calls).toEqual([[process.pid, "SIGQUIT"]])
    expect(process.listenerCount("SIGQUIT")).toBe(before - 1)
  })
})
