/** docs/topics.md is made from the code; `npm run unit -- test/docs/topics.test.ts -u` rewrites it. */
import { expect, it } from "vitest"
import { topicsPage } from "./topics-page.ts"

it("docs/topics.md says what the rules, the services and the metrics say", async () => {
  await expect(topicsPage()).toMatchFileSnapshot("../../docs/topics.md")
})
