import { describe, expect, it } from "vitest"
import { plainLines } from "../../../../src/cli/commands/status/plain-lines.ts"
import { exitCodeOf, type StatusReport } from "../../../../src/cli/commands/status/report.ts"
import { renderScreen, screenStyle } from "../../../../src/cli/commands/status/screen.ts"
import { textWidth } from "../../../../src/cli/terminal/text-width.ts"
import { connectionState, isBad } from "../../../../src/messages/status/verdict.ts"
import { now, reports, snapshot } from "./reports.ts"

const esc = "\u001b"

const render = (report: StatusReport, width: number) => renderScreen(report, { width, hasColour: false })

describe.each(Object.entries(reports))("the screen: %s", (_name, report) => {
  it.each([40, 80, 120])("%i columns wide", (width) => {
    const lines = render(report, width)
    for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(width)
    expect(`${lines.join("\n")}\n`).toMatchSnapshot()
  })

  it("has the same text in colour", () => {
    const colours = new RegExp(`${esc}\\[[\\d;]*m`, "g")
    const coloured = renderScreen(report, { width: 80, hasColour: true }).join("\n")
    expect(coloured).toMatch(colours)
    expect(coloured.replaceAll(colours, "")).toBe(render(report, 80).join("\n"))
  })

  it("is a line for each connection and service where it is no terminal", () => {
    expect(`${plainLines(report).join("\n")}\n`).toMatchSnapshot()
  })
})

describe("the screen", () => {
  it("shows text of others without what controls a terminal", () => {
    const [one] = reports["all is up"]?.connections ?? []
    if (one === undefined) throw new Error("no report")
    const named = { ...one, service: { ...one.service, snapshot: undefined, error: "a\u001b[2Jb\u0007" } }
    const { snapshot: _, ...service } = named.service
    const report: StatusReport = {
      version: 1,
      at: now,
      connections: [{ ...one, state: "down", service }],
      services: []
    }
    expect(render(report, 80).join("")).not.toContain(esc)
  })

  it.each(["cloud", "broker"])("shows the subscriptions that the %s refused, or granted with less", (side) => {
    const [one] = reports["all is up"]?.connections ?? []
    const { broker, connection } = snapshot
    if (one === undefined || broker === undefined || connection === undefined) throw new Error("no report")
    const faults = [
      { filter: "s/ds", code: 135 },
      { filter: "s/e", code: 0 }
    ]
    const told = {
      ...snapshot,
      connection: side === "cloud" ? { ...connection, link: { ...connection.link, faults } } : connection,
      broker: side === "broker" ? { ...broker, faults } : broker
    }
    const service = { ...one.service, snapshot: told }
    const report: StatusReport = { version: 1, at: now, connections: [{ ...one, service }], services: [] }
    const lines = render(report, 80)
    const at = lines.findIndex((line) => line.startsWith(`  ${side}`))
    expect(lines.slice(at + 1, at + 3)).toEqual([
      "  refused     subscription s/ds (code 135: not authorised)",
      "  granted     subscription s/e (with QoS 0 only)"
    ])
    const refused = renderScreen(report, { width: 80, hasColour: true }).find((line) => line.includes("s/ds"))
    expect(refused).toContain(`${esc}[1;31ms/ds`)
  })

  it("fits into any terminal: a word that is longer than the line is broken", () => {
    const [report] = Object.values(reports)
    if (report === undefined) throw new Error("no report")
    for (let width = 2; width <= 120; width += 1)
      for (const line of render(report, width)) expect(textWidth(line)).toBeLessThanOrEqual(width)
  })

  it("names on a small terminal what does not fit, and shows what is bad first", () => {
    const [up] = reports["all is up"]?.connections ?? []
    const [linkDown, stopped] = reports["a link is down, a token away, a service stopped"]?.connections ?? []
    if (up === undefined || linkDown === undefined || stopped === undefined) throw new Error("no reports")
    const third = { ...up, profile: "third" }
    const report: StatusReport = { version: 1, at: now, connections: [up, third, stopped, linkDown], services: [] }
    const style = { width: 80, hasColour: false }
    for (const height of [4, 10, 24, 40]) {
      const lines = renderScreen(report, style, height)
      expect(lines.length).toBeLessThanOrEqual(height)
      expect(lines[0]).toMatch(/^Azure IoT \(az\) down/)
      const text = lines.join("\n")
      expect(text).toMatch(/AWS IoT \(aws@second\) down|aws@second DOWN/)
      expect(text).toMatch(/ {2}\d more +.*c8y@third up$/)
    }
    expect(renderScreen(report, style, 24).at(-1)).toBe("  3 more      aws@second DOWN, c8y up, c8y@third up")
    expect(renderScreen(report, style, 200)).toEqual(renderScreen(report, style))
  })

  it.each([20, 30, 60])("shows the whole state of the worst on a terminal of 5 lines and %i columns", (width) => {
    const report = reports["a link is down, a token away, a service stopped"]
    if (report === undefined) throw new Error("no report")
    for (const noted of [report, { ...report, note: "'/etc/tedge/tedge.toml' cannot be read: permission denied" }]) {
      const lines = renderScreen(noted, { width, hasColour: false }, 5)
      expect(lines.length).toBeLessThanOrEqual(5)
      expect(lines.join(" ")).toMatch(/^AWS IoT \(aws@second\) down for 10 min /)
    }
  })

  it("has colour on a terminal only, and none where the user wants none", () => {
    const terminal = { columns: 100, isTTY: true }
    expect(screenStyle(terminal, {})).toEqual({ width: 100, hasColour: true })
    expect(screenStyle(terminal, { NO_COLOR: "1" }).hasColour).toBe(false)
    expect(screenStyle(terminal, { TERM: "dumb" }).hasColour).toBe(false)
    expect(screenStyle({ columns: undefined, isTTY: false }, {})).toEqual({ width: 120, hasColour: false })
    expect(screenStyle({ columns: 10, isTTY: true }, {}).width).toBe(10)
    expect(screenStyle({ columns: 500, isTTY: true }, {}).width).toBe(120)
  })
})

describe("the lines of --watch without a terminal", () => {
  it("are one for each connection, whatever a broker said", () => {
    const { connection, bridge } = snapshot
    if (connection === undefined || bridge === undefined) throw new Error("no connection")
    const link = { ...connection.link, state: "down" as const, error: "refused\n2026-11-30 c8y: up\u001b[2J" }
    const told = { ...snapshot, connection: { ...connection, link }, bridge: { ...bridge, state: "down" as const } }
    const service = { name: "tedge-mapper-c8y", state: "up", bad: true, snapshot: told } as const
    const connections = [{ cloud: "c8y", state: "down", bad: true, service } as const]
    const lines = plainLines({ version: 1, at: now, connections, services: [] })
    expect(lines).toEqual([expect.stringContaining("(refused2026-11-30 c8y: up[2J)")])
  })
})

describe("the exit code", () => {
  const report = (...states: ReadonlyArray<"up" | "down" | "unknown">): StatusReport => ({
    version: 1,
    at: now,
    connections: [],
    services: states.map((state) => ({ name: "x", state, bad: isBad({ state }) }))
  })

  it.each([
    [0, report("up", "up")],
    [3, report("up", "down", "unknown")],
    [1, report("up", "unknown")]
  ])("is %i", (code, given) => {
    expect(exitCodeOf(given)).toBe(code)
  })

  it("is 3 for a certificate that is not valid (any more, or yet), also while messages flow", () => {
    const { connection } = snapshot
    const certificate = connection?.certificate
    if (connection === undefined || certificate === undefined) throw new Error("no certificate")
    const told = (change: Partial<typeof certificate>) => ({
      state: "up" as const,
      snapshot: { ...snapshot, connection: { ...connection, certificate: { ...certificate, ...change } } }
    })
    expect(isBad(told({}))).toBe(false)
    expect(isBad(told({ valid_until: now - 1 }))).toBe(true)
    expect(isBad(told({ valid_from: now + 1 }))).toBe(true)
  })

  it("counts a connection as up when messages flow, and not when only its service runs", () => {
    const { bridge, ...silent } = snapshot
    if (bridge === undefined) throw new Error("no bridge")
    const service = { name: "tedge-mapper-c8y", state: "up" } as const
    expect(connectionState({ ...service, snapshot })).toBe("up")
    expect(connectionState({ ...service, snapshot: { ...snapshot, bridge: { ...bridge, state: "down" } } })).toBe(
      "down"
    )
    expect(connectionState({ ...service, snapshot: silent })).toBe("unknown")
    expect(connectionState({ ...service, state: "down" })).toBe("down")
  })
})
