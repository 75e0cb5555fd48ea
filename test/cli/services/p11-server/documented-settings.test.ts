/** The settings printed in docs/p11-server.md are settings the service takes. */
import { readFileSync } from "node:fs"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { accessRules } from "../../../../src/cli/services/p11-server/access-rules.ts"
import { p11ServerProgram } from "../../../../src/cli/services/p11-server/p11-server-spec.ts"
import { fileLayer, isTable, type TomlTable } from "../../../../src/messages/settings/file-layer.ts"
import {
  nameIn,
  optionOf,
  p11ServerOptions,
  p11ServerSettings
} from "../../../../src/messages/settings/p11-server-settings.ts"
import { settingsTable } from "../../../../src/messages/settings/settings-table.ts"
import { parseToml } from "../../../../src/platform/toml/toml-file.ts"

const page = readFileSync(new URL("../../../../docs/p11-server.md", import.meta.url), "utf8")

const tables: ReadonlyArray<TomlTable> = [...page.matchAll(/^```toml\n(.*?)^```$/gms)].map((match) => {
  const parsed = parseToml(match[1] ?? "")
  if (parsed.kind !== "tree") return {}
  return isTable(parsed.tree.p11_server) ? parsed.tree.p11_server : parsed.tree
})

describe("docs/p11-server.md", () => {
  it("prints tables the service takes", async () => {
    expect(tables.length).toBe(2)
    for (const table of tables) {
      await Effect.runPromise(accessRules({ path: "docs/p11-server.md", table }))
      const read = fileLayer({ config: { version: "2" }, p11_server: table }, "docs/p11-server.md", "/")
      expect(read).toMatchObject({ kind: "layer", layer: { wrong: [], warnings: [] } })
    }
  })

  it("prints every key, with the default where there is one", () => {
    for (const setting of p11ServerSettings) {
      const printed = tables[0]?.[nameIn(setting.key)]
      expect(printed, setting.key).toBeDefined()
      if ("default" in setting) expect(String(printed), setting.key).toBe(setting.default)
    }
  })
})

describe("the settings of tedge-p11-server", () => {
  it("stand in the one table that tedge config knows", () => {
    expect(settingsTable).toEqual(expect.arrayContaining([...p11ServerSettings]))
  })

  it("are options after the documented ones, each with its key", () => {
    const documented = ["socket-path", "module-path", "pin", "uri", "log-level", "config-dir"]
    const { options = [] } = p11ServerProgram.root
    expect(options.map(({ name }) => name)).toEqual([
      ...documented,
      ...p11ServerOptions.map(({ key }) => optionOf(key))
    ])
    for (const { key } of p11ServerOptions)
      expect(options.find(({ name }) => name === optionOf(key))?.details?.join()).toContain(nameIn(key))
  })
})
