/** docs/settings.md is made from the table; `npx vitest run test/cli/config/settings-page.test.ts -u` writes it anew. */
import { expect, it } from "vitest"
import { settingsPage } from "./settings-page.ts"

it("docs/settings.md says what the settings table says", async () => {
  await expect(settingsPage()).toMatchFileSnapshot("../../../docs/settings.md")
})
