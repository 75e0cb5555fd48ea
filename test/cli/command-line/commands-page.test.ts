/** docs/commands.md is made from the tables; `npx vitest run test/cli/command-line/commands-page.test.ts -u` writes it anew. */
import { expect, it } from "vitest"
import { commandsPage } from "./commands-page.ts"

it("docs/commands.md says what help says", async () => {
  await expect(commandsPage()).toMatchFileSnapshot("../../../docs/commands.md")
})
