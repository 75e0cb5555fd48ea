/** docs/observing.md has every field that `tedge status --json` and the sockets of the services print. */
import { readFileSync } from "node:fs"
import fc from "fast-check"
import { expect, it } from "vitest"
import { reports } from "../cli/commands/status/reports.ts"
import { events, snapshots } from "../messages/status/status-arbitrary.ts"

const fieldsOf = (value: unknown): ReadonlyArray<string> => {
  if (Array.isArray(value)) return value.flatMap(fieldsOf)
  if (typeof value !== "object" || value === null) return []
  return Object.entries(value).flatMap(([name, inner]) => [name, ...fieldsOf(inner)])
}

it("docs/observing.md names every field of a status", () => {
  const page = readFileSync("docs/observing.md", "utf8")
  const named = new Set([...page.matchAll(/`([a-z_]+)`/g)].map(([, name]) => name))
  const shown = [
    Object.values(reports),
    fc.sample(snapshots, { seed: 18, numRuns: 200 }),
    fc.sample(events, { seed: 18, numRuns: 200 })
  ]
  expect([...new Set(fieldsOf(shown))].filter((name) => !named.has(name))).toEqual([])
})
