/** docs/settings.md is made from the table; `npx vitest run test/cli/commands/config/settings-page.test.ts -u` writes it anew. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { settingsTable } from "../../../../src/messages/settings/settings-table.ts"
import { settingsPage } from "./settings-page.ts"
import { isThinEdgeOnly } from "./thin-edge-only.ts"

it("docs/settings.md says what the settings table says", async () => {
  await expect(settingsPage()).toMatchFileSnapshot("../../../../docs/settings.md")
})

it("a setting without effect here is one that no program of ours reads", () => {
  const marked = settingsTable.map(({ key }) => key).filter(isThinEdgeOnly)
  const unread = settingsTable.map(({ key }) => key).filter((key) => !isRead(key))
  expect(marked.filter((key) => !unread.includes(key))).toEqual([])
  expect(unread.filter((key) => !marked.includes(key))).toEqual([])
})

/** As `"device.type"`, or without its section in a template: `${name}.topics`, `${section}.key_uri`. */
const isRead = (key: string): boolean => {
  const parts = key.split(".")
  const tails = parts.slice(1).map((_, at) => `}.${parts.slice(at + 1).join(".")}\``)
  const inSection = /^((c8y|az|aws)\.)?device\./.test(key) ? tails : tails.slice(0, 1)
  const templates = /^(c8y|az|aws|device)\./.test(key) ? inSection : []
  return [`"${key}"`, ...templates].some((text) => source.includes(text))
}

const root = join(import.meta.dirname, "../../../../src")

/** Not the tables themselves, and not the names of earlier versions. */
const source = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter(
    (path) =>
      path.endsWith(".ts") && !/messages\/(explain|settings\/(.*-settings|cloud-device|file-layer)\.ts)/.test(path)
  )
  .map((path) => readFileSync(join(root, path), "utf8"))
  .join("\n")
