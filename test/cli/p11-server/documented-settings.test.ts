/** The settings printed in docs/p11-server.md are settings the service takes. */
import { readFileSync } from "node:fs"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { accessRules } from "../../../src/cli/p11-server/access-rules.ts"
import { serverValues } from "../../../src/cli/p11-server/server-values.ts"
import { isTable, type TomlTable } from "../../../src/messages/settings/file-layer.ts"
import { nameIn, p11ServerSettings } from "../../../src/messages/settings/p11-server-settings.ts"
import { parseToml } from "../../../src/platform/toml-file.ts"

const page = readFileSync(new URL("../../../docs/p11-server.md", import.meta.url), "utf8")

const tables: ReadonlyArray<TomlTable> = [...page.matchAll(/^```toml\n(.*?)^```$/gms)].map((match) => {
  const parsed = parseToml(match[1] ?? "")
  return parsed.kind === "tree" && isTable(parsed.tree.p11_server) ? parsed.tree.p11_server : {}
})

const noInput = {
  command: "",
  text: () => undefined,
  secret: () => undefined,
  on: () => false,
  given: () => false,
  argument: () => undefined,
  cloud: undefined
}

describe("docs/p11-server.md", () => {
  it("prints tables the service takes", async () => {
    expect(tables.length).toBe(2)
    for (const table of tables) {
      const file = { path: "docs/p11-server.md", table }
      await Effect.runPromise(accessRules(file))
      expect((await Effect.runPromise(serverValues(noInput, file))).unknown).toEqual([])
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
