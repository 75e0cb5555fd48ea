/** docs/troubleshooting.md is made from the tables of failures; `npm run unit -- test/docs/troubleshooting.test.ts -u` writes it anew. */
import { expect, it } from "vitest"
import { samples } from "../messages/explain-samples.ts"
import { troubleshootingPage } from "./troubleshooting-page.ts"

it("docs/troubleshooting.md says what the tables of failures say", async () => {
  await expect(troubleshootingPage()).toMatchFileSnapshot("../../docs/troubleshooting.md")
})

it("has every failure, with what it means", () => {
  const sections = troubleshootingPage().split(/^### /m).slice(1)
  expect(sections).toHaveLength(Object.keys(samples).length)
  expect(sections.filter((text) => !/^.+\n\n\S.{15,}\n\n- `/.test(text))).toEqual([])
})
