/** What needs a person: for the screen, `--json`, the exit code and the page alike. */
import { expect, it } from "vitest"
import { isBad } from "../../../src/messages/status/verdict.ts"
import { snapshot } from "../../cli/commands/status/reports.ts"

const { bridge, key } = snapshot
const [token] = key?.tokens ?? []
if (bridge === undefined || key === undefined || token === undefined) throw new Error("no snapshot")

const withToken = (facts: Partial<typeof token>) => ({ ...snapshot, key: { ...key, tokens: [{ ...token, ...facts }] } })
const actor = { name: "mapper/health", state: "parked" } as unknown as (typeof snapshot.actors)[number]

it.each([
  ["a service that is up", { state: "up", snapshot }, false],
  ["one that does not run", { state: "down" }, true],
  ["one that cannot be asked", { state: "unknown" }, false],
  ["one that is idle", { state: "up" }, false],
  ["a bridge that is down", { state: "up", snapshot: { ...snapshot, bridge: { ...bridge, state: "down" } } }, true],
  ["a token that is away", { state: "up", snapshot: withToken({ state: "gone" }) }, true],
  ["a token that waits for a touch", { state: "up", snapshot: withToken({ state: "waiting" }) }, false],
  ["a PIN that was refused", { state: "up", snapshot: withToken({ pin: "latched" }) }, true],
  ["a token that is locked", { state: "up", snapshot: withToken({ pin: "locked" }) }, true],
  ["a PIN that was not used yet", { state: "up", snapshot: withToken({ pin: "unknown" }) }, false],
  ["an actor that was given up", { state: "up", snapshot: { ...snapshot, actors: [actor] } }, true]
] as const)("%s: %o, %s", (_, judged, expected) => {
  expect(isBad(judged)).toBe(expected)
})
